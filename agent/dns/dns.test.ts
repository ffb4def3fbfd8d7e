import { connect } from 'node:net';
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as packet from 'dns-packet';
import * as fc from 'fast-check';
import { endpointSlices, services } from '../../machinery/client/resource.ts';
import { FakeClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { ManualInformer } from '../proxy/testdata/objects.ts';
import { decodeQuery } from './dns-message.ts';
import { DnsServer } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { ListerRecords } from './lister-records.ts';
import { answerQuestion } from './plan/answer-question.ts';
import type { ZoneOptions } from './plan/answer-question.ts';
import { parseRawResponse, renewResponse, truncatedResponse } from './plan/raw-response.ts';
import { upstreamsOf } from './plan/resolv-conf.ts';
import { addressOfDashes, addressOfReverseName, fullAddress, isInCidr } from './plan/reverse-name.ts';
import type { Exchange } from './upstream-exchange.ts';

const svcs = new ManualInformer<Service>(services);
const slices = new ManualInformer<EndpointSlice>(endpointSlices);
const records = new ListerRecords({ services: svcs, endpointSlices: slices });
const zone: ZoneOptions = {
  domain: 'cluster.local',
  ttlSeconds: 5,
  serverIPs: ['10.96.0.10'],
  ownCIDRs: ['10.244.0.0/16', '10.96.0.0/16'],
};

const svc = (name: string, spec: Partial<Service['spec']>): Service => ({
  metadata: { namespace: 'default', name },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
});
svcs.set(svc('web', { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20', 'fd00::20'] }));
svcs.set(svc('db', { clusterIP: 'None' }));
svcs.set(svc('void', { clusterIP: 'None' }));
svcs.set(svc('ext', { type: 'ExternalName', externalName: 'example.org' }));
svcs.set(svc('inner', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }));
svcs.set(svc('loop', { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' }));
slices.set({
  metadata: {
    namespace: 'default',
    name: 'db-1',
    labels: { 'kubernetes.io/service-name': 'db', 'service.kubernetes.io/headless': '' },
  },
  addressType: 'IPv4',
  endpoints: [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.0.6'], conditions: {} },
    { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } },
  ],
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});

function ask(name: string, type: string): string {
  const answer = answerQuestion({ name, type }, records, zone);
  if (answer.kind === 'forward') return 'forward';
  if (answer.kind === 'alias') return `alias ${answer.target}`;
  const data = answer.answers.map(r =>
    r.type === 'SRV' ? `${r.data.target}:${r.data.port}` : typeof r.data === 'string' ? r.data : 'SOA',
  );
  return [answer.rcode, ...data].join(' ');
}

describe('answerQuestion()', () => {
  const q = 'svc.cluster.local';
  test.each([
    [`web.default.${q}`, 'A', 'NOERROR 10.96.0.20'],
    [`WEB.Default.${q}`, 'A', 'NOERROR 10.96.0.20'],
    [`web.default.${q}`, 'AAAA', 'NOERROR fd00::20'],
    [`web.default.${q}`, 'TXT', 'NOERROR'],
    [`web.default.${q}`, 'SRV', `NOERROR web.default.${q}:80`],
    [`_http._tcp.web.default.${q}`, 'SRV', `NOERROR web.default.${q}:80`],
    [`_http._tcp.web.default.${q}`, 'A', 'NOERROR'],
    [`_http._udp.web.default.${q}`, 'SRV', 'NXDOMAIN'],
    [`_x._tcp.web.default.${q}`, 'SRV', 'NXDOMAIN'],
    [`nope.default.${q}`, 'A', 'NXDOMAIN'],
    [`web.nowhere.${q}`, 'A', 'NXDOMAIN'],
    [`default.${q}`, 'A', 'NOERROR'],
    [`nowhere.${q}`, 'A', 'NXDOMAIN'],
    [q, 'A', 'NOERROR'],
    [`db.default.${q}`, 'A', 'NOERROR 10.244.0.5 10.244.0.6'],
    [`db.default.${q}`, 'AAAA', 'NOERROR'],
    [`db-0.db.default.${q}`, 'A', 'NOERROR 10.244.0.5'],
    [`10-244-0-6.db.default.${q}`, 'A', 'NOERROR 10.244.0.6'],
    [`db-2.db.default.${q}`, 'A', 'NXDOMAIN'],
    [`_http._tcp.db.default.${q}`, 'SRV', `NOERROR db-0.db.default.${q}:8080 10-244-0-6.db.default.${q}:8080`],
    [`void.default.${q}`, 'A', 'NXDOMAIN'],
    [`ext.default.${q}`, 'CNAME', 'NOERROR example.org'],
    [`ext.default.${q}`, 'A', 'alias example.org'],
    ['10-244-0-9.default.pod.cluster.local', 'A', 'NOERROR 10.244.0.9'],
    ['10-244-0-900.default.pod.cluster.local', 'A', 'NXDOMAIN'],
    ['20.0.96.10.in-addr.arpa', 'PTR', `NOERROR web.default.${q}`],
    ['5.0.244.10.in-addr.arpa', 'PTR', `NOERROR db-0.db.default.${q}`],
    ['9.0.244.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    ['8.8.8.8.in-addr.arpa', 'PTR', 'forward'],
    ['0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa', 'PTR', `NOERROR web.default.${q}`],
    ['example.org', 'A', 'forward'],
    ['xcluster.local', 'A', 'forward'],
    ['example.org.cluster.local', 'A', 'NXDOMAIN'],
    ['cluster.local', 'SOA', 'NOERROR SOA'],
    ['cluster.local', 'NS', 'NOERROR ns.dns.cluster.local'],
    ['ns.dns.cluster.local', 'A', 'NOERROR 10.96.0.10'],
    ['dns-version.cluster.local', 'TXT', 'NOERROR 1.1.0'],
  ])('%s %s: %s', (name, type, want) => {
    expect(ask(name, type)).toBe(want);
  });

  test('puts the SOA record where nothing is', () => {
    expect(answerQuestion({ name: `nope.default.${q}`, type: 'A' }, records, zone)).toMatchObject({
      authorities: [{ type: 'SOA', name: 'cluster.local' }],
    });
  });
});

describe('addresses and names', () => {
  test('reverse names and dashes', () => {
    expect(addressOfReverseName('1.2.3.in-addr.arpa')).toBeUndefined();
    expect(addressOfReverseName('300.2.3.4.in-addr.arpa')).toBeUndefined();
    expect(fullAddress('fd00::20')).toBe('fd00:0000:0000:0000:0000:0000:0000:0020');
    expect(addressOfDashes('fd00--20')).toBe('fd00::20');
    expect(addressOfDashes('web')).toBeUndefined();
    expect(isInCidr('10.96.3.4', '10.96.0.0/16')).toBe(true);
    expect(isInCidr('10.97.3.4', '10.96.0.0/16')).toBe(false);
    expect(isInCidr('fd00::1', '10.96.0.0/16')).toBe(false);
  });

  test('upstreamsOf() takes three servers and never ourselves', () => {
    const text =
      '# c\nsearch x\nnameserver 10.96.0.10\nnameserver 192.0.2.1 # first\n nameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver bad!\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n';
    expect(upstreamsOf(text, ['10.96.0.10'])).toEqual(['192.0.2.1', 'fe80::1%eth0', '192.0.2.2']);
  });
});

describe('raw responses', () => {
  const response = packet.encode({
    type: 'response',
    id: 7,
    flags: 0,
    questions: [{ name: 'a.org', type: 'A', class: 'IN' }],
    answers: [
      { name: 'a.org', type: 'A', ttl: 20, data: '192.0.2.1' },
      { name: 'a.org', type: 'A', ttl: 60, data: '192.0.2.2' },
    ],
  });

  test('are kept for the shortest time to live and age', () => {
    const raw = parseRawResponse(response, 30);
    expect(raw?.ttlSeconds).toBe(20);
    const aged = packet.decode(renewResponse(raw as NonNullable<typeof raw>, 99, 5));
    expect([aged.id, ...(aged.answers ?? []).map(a => ('ttl' in a ? a.ttl : 0))]).toEqual([99, 15, 55]);
  });

  test('that say no are kept as their SOA says, failures not at all', () => {
    const soa = { type: 'SOA', name: 'org', ttl: 300, data: { mname: 'x', rname: 'y', minimum: 9 } } as const;
    expect(
      parseRawResponse(packet.encode({ type: 'response', id: 1, flags: 3, authorities: [soa] }), 30)?.ttlSeconds,
    ).toBe(9);
    expect(parseRawResponse(packet.encode({ type: 'response', id: 1, flags: 2 }), 30)?.ttlSeconds).toBe(0);
  });

  test('truncatedResponse() leaves header and question', () => {
    expect(packet.decode(truncatedResponse(response))).toMatchObject({
      id: 7,
      flag_tc: true,
      questions: [{ name: 'a.org' }],
      answers: [],
    });
  });

  test('any bytes are read or refused, never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
        const raw = parseRawResponse(Buffer.from(bytes), 30);
        if (raw !== undefined) expect(renewResponse(raw, 1, 3)).toHaveLength(bytes.length);
        if (bytes.length >= 12)
          expect(truncatedResponse(Buffer.from(bytes)).length).toBeLessThanOrEqual(Math.max(12, bytes.length));
      }),
      { numRuns: 500 },
    );
  });
});

describe('Forwarder', () => {
  const query = (name: string) => {
    const decoded = decodeQuery(
      packet.encode({
        type: 'query',
        id: 5,
        flags: packet.RECURSION_DESIRED,
        questions: [{ name, type: 'A', class: 'IN' }],
      }),
    );
    if (decoded.kind !== 'query') throw new Error(decoded.kind);
    return decoded.query;
  };
  const reply = (bytes: Buffer, ttl = 20, flags = 0): Buffer => {
    const { id = 0, questions = [] } = packet.decode(bytes);
    return packet.encode({
      type: 'response',
      id,
      flags,
      questions,
      answers: [{ name: questions[0]?.name ?? '', type: 'A', ttl, data: '192.0.2.1' }],
    });
  };
  const make = (exchange: Exchange, extra = {}) => {
    const clock = new FakeClock();
    const upstreams = [
      { address: '192.0.2.1', port: 53 },
      { address: '192.0.2.2', port: 53 },
    ];
    return {
      clock,
      forwarder: new Forwarder({ upstreams, ownAddresses: [], clock, log: silentLogger, exchange, ...extra }),
    };
  };

  test('asks once for many, and again only when the answer is old', async () => {
    let asked = 0;
    const { clock, forwarder } = make(async (_, bytes) => reply(bytes, (asked++, 20)));
    await Promise.all([forwarder.forward(query('a.org')), forwarder.forward(query('a.org'))]);
    await clock.advance(19_000);
    expect(packet.decode((await forwarder.forward(query('a.org'))) ?? Buffer.alloc(0)).answers?.[0]).toMatchObject({
      ttl: 1,
    });
    expect(asked).toBe(1);
    await clock.advance(2_000);
    await forwarder.forward(query('a.org'));
    expect(asked).toBe(2);
  });

  test('turns to the next server and asks the silent one last', async () => {
    const asked: string[] = [];
    const { forwarder } = make(async (upstream, bytes) => {
      asked.push(upstream.address);
      if (upstream.address === '192.0.2.1') throw new Error('silence');
      return reply(bytes);
    });
    await forwarder.forward(query('a.org'));
    await forwarder.forward(query('b.org'));
    expect(asked).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.2']);
  });

  test('gives up when too much is under way, or nobody answers', async () => {
    const { forwarder } = make(() => new Promise(() => {}), { maxInFlight: 1 });
    void forwarder.forward(query('a.org'));
    expect(await forwarder.forward(query('b.org'))).toBeUndefined();
    const silent = make(() => Promise.reject(new Error('silence')));
    expect(await silent.forwarder.forward(query('a.org'))).toBeUndefined();
  });
});

describe('DnsServer', () => {
  const stop = new AbortController();
  const exchange: Exchange = async (_, bytes) => {
    const { id = 0, questions = [] } = packet.decode(bytes);
    const name = questions[0]?.name ?? '';
    const answers = Array.from({ length: name === 'long.org' ? 60 : 1 }, (_, i) => ({
      name,
      type: 'A' as const,
      ttl: 9,
      data: `192.0.2.${i + 1}`,
    }));
    return packet.encode({ type: 'response', id, flags: packet.RECURSION_AVAILABLE, questions, answers });
  };
  const port = 20_000 + (process.pid % 20_000);
  const server = new DnsServer({
    listen: [{ address: '127.0.0.1', port }],
    zone,
    records,
    log: silentLogger,
    forwarder: new Forwarder({
      upstreams: [{ address: '192.0.2.1', port: 53 }],
      ownAddresses: [],
      clock: new FakeClock(),
      log: silentLogger,
      exchange,
    }),
  });
  let running: Promise<void>;

  beforeAll(async () => {
    running = server.run(stop.signal);
    await server.ready();
    slices.set({
      metadata: { namespace: 'default', name: 'many-1', labels: { 'kubernetes.io/service-name': 'many' } },
      addressType: 'IPv4',
      endpoints: Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.244.1.${i + 1}`] })),
      ports: [],
    });
    svcs.set(svc('many', { clusterIP: 'None' }));
  });
  afterAll(async () => {
    stop.abort();
    await running;
  });

  const encode = (name: string, type: packet.RecordType, edns?: number) =>
    packet.encode({
      type: 'query',
      id: 4242,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type, class: 'IN' }],
      additionals:
        edns === undefined
          ? []
          : [
              {
                type: 'OPT',
                name: '.',
                udpPayloadSize: edns,
                extendedRcode: 0,
                ednsVersion: 0,
                flags: 0,
                flag_do: false,
                options: [],
              } as unknown as packet.Answer,
            ],
    });

  type Reply = packet.DecodedPacket & { rcode?: string };

  function overUdp(bytes: Buffer): Promise<Reply> {
    return new Promise(resolve => {
      const socket = createSocket('udp4');
      socket.on('message', m => {
        socket.close();
        resolve(packet.decode(m));
      });
      socket.send(bytes, port, '127.0.0.1');
    });
  }

  function overTcp(...questions: Buffer[]): Promise<packet.DecodedPacket[]> {
    return new Promise(resolve => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(Buffer.concat(questions.flatMap(q => [Buffer.from([q.length >> 8, q.length & 255]), q]))),
      );
      let received = Buffer.alloc(0);
      const answers: packet.DecodedPacket[] = [];
      socket.on('data', data => {
        received = Buffer.concat([received, data]);
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          answers.push(packet.decode(received.subarray(2, 2 + received.readUInt16BE(0))));
          received = received.subarray(2 + received.readUInt16BE(0));
        }
        if (answers.length < questions.length) return;
        socket.destroy();
        resolve(answers);
      });
    });
  }

  test('answers over UDP with authority', async () => {
    expect(await overUdp(encode('web.default.svc.cluster.local', 'A'))).toMatchObject({
      id: 4242,
      rcode: 'NOERROR',
      flag_aa: true,
      answers: [{ type: 'A', data: '10.96.0.20', ttl: 5 }],
    });
  });

  test('keeps the case of the name asked', async () => {
    expect((await overUdp(encode('wEb.default.svc.cluster.local', 'A'))).answers?.[0]?.name).toBe(
      'wEb.default.svc.cluster.local',
    );
  });

  test('cuts a long answer to what the client takes and gives all over TCP', async () => {
    const name = 'many.default.svc.cluster.local';
    const short = await overUdp(encode(name, 'A'));
    expect(short.flag_tc).toBe(true);
    expect(short.answers?.length).toBeGreaterThan(25);
    expect((await overUdp(encode(name, 'A', 4096))).answers).toHaveLength(100);
    const [first, second] = await overTcp(encode(name, 'A'), encode('web.default.svc.cluster.local', 'A'));
    expect([first?.answers?.length, first?.flag_tc, second?.answers?.length]).toEqual([100, false, 1]);
  });

  test('answers EDNS with EDNS, and the rest without', async () => {
    expect((await overUdp(encode('web.default.svc.cluster.local', 'A', 1232))).additionals).toMatchObject([
      { type: 'OPT' },
    ]);
    expect((await overUdp(encode('web.default.svc.cluster.local', 'A'))).additionals).toEqual([]);
  });

  test('follows an alias outside and inside, and ends a loop', async () => {
    expect((await overUdp(encode('ext.default.svc.cluster.local', 'A'))).answers).toMatchObject([
      { type: 'CNAME', data: 'example.org' },
      { name: 'example.org', data: '192.0.2.1' },
    ]);
    expect((await overUdp(encode('inner.default.svc.cluster.local', 'A'))).answers).toMatchObject([
      { type: 'CNAME' },
      { data: '10.96.0.20' },
    ]);
    expect((await overUdp(encode('loop.default.svc.cluster.local', 'A'))).rcode).toBe('SERVFAIL');
  });

  test('forwards the rest, truncated where it is too long', async () => {
    expect(await overUdp(encode('example.org', 'A'))).toMatchObject({ id: 4242, answers: [{ data: '192.0.2.1' }] });
    expect(await overUdp(encode('long.org', 'A'))).toMatchObject({ flag_tc: true, answers: [] });
    expect((await overTcp(encode('long.org', 'A')))[0]?.answers).toHaveLength(60);
  });

  test('refuses what is no question for it', async () => {
    const status = Buffer.from(encode('a', 'A'));
    status[2] = (2 << 3) | 1;
    expect((await overUdp(status)).rcode).toBe('NOTIMP');
    expect((await overUdp(Buffer.concat([encode('a', 'A').subarray(0, 12), Buffer.from([63, 1])]))).rcode).toBe(
      'FORMERR',
    );
    expect(await server.answer(Buffer.from(packet.encode({ type: 'response', id: 1 })), 'udp')).toBeUndefined();
    expect(await server.answer(Buffer.alloc(5), 'udp')).toBeUndefined();
  });

  test('a port in use is named', async () => {
    const second = new DnsServer({
      listen: [{ address: '127.0.0.1', port }],
      zone,
      records,
      log: silentLogger,
      forwarder: undefined as unknown as Forwarder,
    });
    await expect(second.run(new AbortController().signal)).rejects.toThrow(
      `Cluster DNS cannot listen on 127.0.0.1:${port}`,
    );
  });

  test('any packet gets an answer that can be read, or none', async () => {
    const valid = encode('web.default.svc.cluster.local', 'A', 1232);
    const mutated = fc
      .tuple(
        fc.integer({ min: 0, max: valid.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: valid.length }),
      )
      .map(([at, value, cut]) => {
        const bytes = Buffer.from(valid);
        bytes[at] = value;
        return bytes.subarray(0, Math.max(cut, at));
      });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          mutated,
          fc.uint8Array({ maxLength: 200 }).map(b => Buffer.from(b)),
        ),
        async bytes => {
          const reply = await server.answer(bytes, 'udp');
          if (reply === undefined) return;
          expect(reply.length).toBeLessThanOrEqual(4096);
          expect(reply.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
          packet.decode(reply);
        },
      ),
      { numRuns: 500 },
    );
  });
});
