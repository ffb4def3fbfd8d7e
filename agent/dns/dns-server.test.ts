import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as packet from 'dns-packet';
import * as fc from 'fast-check';
import { endpointSlices, namespaces, services } from '../../machinery/client/resource.ts';
import { FakeClock, systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Namespace, Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { ManualInformer } from '../proxy/testdata/objects.ts';
import { AnswerCache } from './answer-cache.ts';
import { DnsHandover } from './dns-handover.ts';
import { DnsHttp } from './dns-http.ts';
import { DnsMetrics } from './dns-metrics.ts';
import { DnsServer } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { ListerRecords } from './lister-records.ts';
import type { ZoneOptions } from './plan/zone-records.ts';
import { readSnapshot } from './plan/record-snapshot.ts';
import { RecordKeeper } from './record-keeper.ts';
import { Resolver } from './resolver.ts';
import { listenTcp } from './tcp-listener.ts';
import { NameServer, address } from './testdata/name-server.ts';

const svcs = new ManualInformer<Service>(services);
const slices = new ManualInformer<EndpointSlice>(endpointSlices);
const spaces = new ManualInformer<Namespace>(namespaces);
const records = new ListerRecords({ services: svcs, endpointSlices: slices, namespaces: spaces });
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
const sliceOf = (of: string, ips: readonly string[]): EndpointSlice => ({
  metadata: {
    namespace: 'default',
    name: `${of}-1`,
    labels: { 'kubernetes.io/service-name': of, 'service.kubernetes.io/headless': '' },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date(Date.now() - 10).toISOString() },
  },
  addressType: 'IPv4',
  endpoints: ips.map(ip => ({ addresses: [ip], conditions: { ready: true } })),
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});

const upstream = new NameServer();
const registry = new MetricsRegistry();
const metrics = new DnsMetrics(registry);
const port = 20_000 + (process.pid % 20_000);
const listen = [
  { address: '127.0.0.1', port },
  { address: '::1', port },
];
const stop = new AbortController();
let server: DnsServer;
let running: Promise<unknown>;

beforeAll(async () => {
  await upstream.start();
  const forwarder = new Forwarder({
    resolvConf: '/nonexistent',
    ownAddresses: [],
    clock: systemClock,
    log: silentLogger,
    metrics,
    rules: { upstreams: [upstream.upstream], stubDomains: new Map() },
  });
  server = new DnsServer({ listen, zone, records, forwarder, metrics, clock: systemClock, log: silentLogger });
  const http = new DnsHttp({ listen: [{ address: '127.0.0.1', port: port + 1 }], server, registry, log: silentLogger });
  running = Promise.all([server.run(stop.signal), http.run(stop.signal)]);
  await server.ready();
});
afterAll(async () => {
  stop.abort();
  await running;
  await upstream.stop();
});
beforeEach(() => {
  upstream.reply = name => address(name);
  spaces.set({ metadata: { name: 'default' }, spec: {} });
  svcs.set(svc('web', { clusterIP: '10.96.0.20' }));
  svcs.set(svc('many', { clusterIP: 'None' }));
  slices.set(
    sliceOf(
      'many',
      Array.from({ length: 100 }, (_, i) => `10.244.1.${i + 1}`),
    ),
  );
  svcs.set(svc('ext', { type: 'ExternalName', externalName: 'example.org' }));
  svcs.set(svc('inner', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }));
  svcs.set(svc('loop', { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' }));
});

const many = 'many.default.svc.cluster.local';
const web = 'web.default.svc.cluster.local';

function encode(name: string, type: packet.RecordType = 'A', edns?: number): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: edns ?? 0,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as unknown as packet.Answer;
  return packet.encode({
    type: 'query',
    id: 4242,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns === undefined ? [] : [opt],
  });
}

type Reply = packet.DecodedPacket & { rcode?: string };

function overUdp(bytes: Buffer, host = '127.0.0.1'): Promise<Reply> {
  return new Promise(resolve => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', message => {
      socket.close();
      resolve(packet.decode(message));
    });
    socket.send(bytes, port, host);
  });
}

const framed = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

/** Collects answers of a connection. */
function replies(socket: Socket, count: number): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const answers: Reply[] = [];
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${answers.length} answers`)));
    socket.on('data', data => {
      received = Buffer.concat([received, data]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        answers.push(packet.decode(received.subarray(2, 2 + received.readUInt16BE(0))));
        received = received.subarray(2 + received.readUInt16BE(0));
      }
      if (answers.length >= count) resolve(answers);
    });
  });
}

async function overTcp(...questions: Buffer[]): Promise<Reply[]> {
  const socket = connect(port, '127.0.0.1');
  const answers = replies(socket, questions.length);
  socket.write(Buffer.concat(questions.map(framed)));
  await answers;
  socket.removeAllListeners('close').destroy();
  return answers;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve =>
    socket
      .on('error', () => {})
      .resume()
      .on('close', () => resolve()),
  );
const addresses = (reply: Reply): unknown[] => (reply.answers ?? []).map(a => ('data' in a ? a.data : undefined));

describe('UDP', () => {
  test('answers with authority, on both families', async () => {
    for (const host of ['127.0.0.1', '::1'])
      expect(await overUdp(encode(web), host)).toMatchObject({
        id: 4242,
        rcode: 'NOERROR',
        flag_aa: true,
        answers: [{ type: 'A', data: '10.96.0.20', ttl: 5 }],
      });
  });

  test('keeps the case of the name asked, also of what is kept from others', async () => {
    for (const name of ['wEb.deFault.svc.cluster.local', 'kEpt.Org', 'kePT.org']) {
      const reply = await overUdp(encode(name));
      expect([reply.questions?.[0]?.name, reply.answers?.length]).toEqual([name, 1]);
    }
  });

  test('cuts a long answer to what the client takes and gives all over TCP', async () => {
    const short = await overUdp(encode(many));
    expect(short.flag_tc).toBe(true);
    expect(short.answers?.length).toBeGreaterThan(25);
    expect((await overUdp(encode(many, 'A', 4096))).answers).toHaveLength(100);
    const [first, second] = await overTcp(encode(many), encode(web));
    expect([first?.answers?.length, first?.flag_tc, second?.answers?.length]).toEqual([100, false, 1]);
  });

  test('never answers with more than the client takes, however much it says it takes', async () => {
    slices.set(
      sliceOf(
        'many',
        Array.from({ length: 6_000 }, (_, i) => `10.244.${100 + (i >> 8)}.${i & 255}`),
      ),
    );
    for (const edns of [undefined, 0, 512, 1232, 4096, 65_535]) {
      const reply = await overUdp(encode(many, 'A', edns));
      expect(reply.flag_tc).toBe(true);
      expect(packet.encodingLength(reply)).toBeGreaterThan(0);
    }
    const [reply] = await overTcp(encode(many));
    expect([reply?.flag_tc, (reply?.answers?.length ?? 0) > 3_000]).toEqual([true, true]);
  });

  test('answers EDNS with EDNS, and the rest without', async () => {
    for (const name of [web, 'long.org']) {
      upstream.reply = asked => ({
        answers: Array.from({ length: 200 }, (_, i) => ({ name: asked, type: 'A', ttl: 9, data: `192.0.2.${i}` })),
      });
      expect((await overUdp(encode(name, 'A', 1232))).additionals).toMatchObject([{ type: 'OPT' }]);
      expect((await overUdp(encode(name))).additionals).toEqual([]);
    }
  });

  test('addresses come in another order each time', async () => {
    slices.set(sliceOf('many', ['10.244.1.1', '10.244.1.2', '10.244.1.3']));
    const firsts = new Set<unknown>();
    for (let i = 0; i < 6; i++) {
      const got = addresses(await overUdp(encode(many)));
      expect([...got].sort()).toEqual(['10.244.1.1', '10.244.1.2', '10.244.1.3']);
      firsts.add(got[0]);
    }
    expect(firsts.size).toBe(3);
  });

  test('follows every change at once', async () => {
    const late = 'late.default.svc.cluster.local';
    const ask = async (name: string, type?: packet.RecordType): Promise<string> => {
      const reply = await overUdp(encode(name, type));
      return [reply.rcode, ...addresses(reply)].join(' ');
    };
    expect(await ask(late)).toBe('NXDOMAIN');
    svcs.set(svc('late', { clusterIP: '10.96.0.30' }));
    expect(await ask(late)).toBe('NOERROR 10.96.0.30');
    expect(await ask('30.0.96.10.in-addr.arpa', 'PTR')).toBe(`NOERROR ${late}`);
    svcs.set(svc('late', { clusterIP: '10.96.0.31' }));
    expect(await ask(late)).toBe('NOERROR 10.96.0.31');
    expect(await ask('30.0.96.10.in-addr.arpa', 'PTR')).toBe('NXDOMAIN');
    svcs.remove(svc('late', {}));
    expect(await ask(late)).toBe('NXDOMAIN');
    slices.set(sliceOf('many', ['10.244.1.1']));
    expect(await ask(many)).toBe('NOERROR 10.244.1.1');
    slices.remove(sliceOf('many', []));
    expect(await ask(many)).toBe('NXDOMAIN');
    expect(await ask('late.svc.cluster.local')).toBe('NXDOMAIN');
    spaces.set({ metadata: { name: 'late' }, spec: {} });
    expect(await ask('late.svc.cluster.local')).toBe('NOERROR');
    spaces.remove({ metadata: { name: 'late' }, spec: {} });
  });

  test('follows an alias outside and inside, and ends a loop', async () => {
    const ext = encode('ext.default.svc.cluster.local');
    expect((await overUdp(ext)).answers).toMatchObject([
      { type: 'CNAME', data: 'example.org' },
      { name: 'example.org', data: '192.0.2.1' },
    ]);
    upstream.reply = () => ({ flags: 3 });
    svcs.set(svc('gone', { type: 'ExternalName', externalName: 'gone.example.org' }));
    expect(await overUdp(encode('gone.default.svc.cluster.local'))).toMatchObject({
      rcode: 'NXDOMAIN',
      answers: [{ type: 'CNAME' }],
    });
    expect((await overUdp(encode('inner.default.svc.cluster.local'))).answers).toMatchObject([
      { type: 'CNAME' },
      { data: '10.96.0.20' },
    ]);
    svcs.set(svc('web', { clusterIP: '10.96.0.22' }));
    expect(addresses(await overUdp(encode('inner.default.svc.cluster.local')))).toContain('10.96.0.22');
    expect((await overUdp(encode('loop.default.svc.cluster.local'))).rcode).toBe('SERVFAIL');
  });

  test('forwards the rest, truncated where it is too long', async () => {
    upstream.reply = name => ({
      answers: Array.from({ length: 60 }, (_, i) => ({ name, type: 'A', ttl: 9, data: `192.0.2.${i}` })),
    });
    expect(await overUdp(encode('sixty.org'))).toMatchObject({ flag_tc: true, answers: [] });
    expect((await overTcp(encode('sixty.org')))[0]?.answers).toHaveLength(60);
  });

  test('any packet gets an answer that can be read and is no longer than it may be, or none', async () => {
    const valid = encode(many, 'A', 1232);
    const mutated = fc.tuple(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length)).map(([at, value, cut]) => {
      const bytes = Buffer.from(valid);
      bytes[at] = value;
      return bytes.subarray(0, Math.max(cut, at));
    });
    const anything = fc.uint8Array({ maxLength: 200 }).map(b => Buffer.from(b));
    // Names outside the cluster are not asked elsewhere here.
    const forwarder = { forward: () => Promise.resolve(undefined), isLoopCheck: () => false };
    const resolver = new Resolver({ ...server['options'], cache: new AnswerCache(), forwarder });
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, anything), async bytes => {
        const reply = await resolver.answer(bytes, { transport: 'udp', family: '1' });
        if (reply === undefined) return;
        expect(reply.length).toBeLessThanOrEqual(4096);
        expect(reply.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
        packet.decode(reply);
      }),
      { numRuns: 500 },
    );
  });
});

describe('TCP', () => {
  test('many questions on one connection, answered as they are ready', async () => {
    let release = (): void => {};
    upstream.reply = name =>
      name === 'slow.example.org' ? new Promise(resolve => (release = () => resolve(address(name)))) : address(name);
    const socket = connect(port, '127.0.0.1');
    const quick = replies(socket, 400);
    socket.write(framed(encode('slow.example.org')));
    socket.write(Buffer.concat(Array.from({ length: 400 }, () => framed(encode(web)))));
    expect((await quick).every(reply => reply.questions?.[0]?.name === web)).toBe(true);
    socket.removeAllListeners('data').removeAllListeners('close');
    const slow = replies(socket, 1);
    release();
    expect((await slow)[0]?.questions?.[0]?.name).toBe('slow.example.org');
    socket.removeAllListeners('close').destroy();
  });

  test('a question may come byte by byte', async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    const answer = replies(socket, 1);
    for (const byte of framed(encode(web))) {
      socket.write(Buffer.from([byte]));
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(addresses((await answer)[0] as Reply)).toEqual(['10.96.0.20']);
    socket.removeAllListeners('close').destroy();
  });

  test('whoever sends no question, or one that is too long, is cut off', async () => {
    for (const bytes of [Buffer.from([0, 0]), Buffer.from([0xff, 0xff, 1]), framed(Buffer.alloc(20, 0xff))]) {
      const socket = connect(port, '127.0.0.1');
      socket.write(bytes);
      await closed(socket);
    }
  });

  test('a client that reads nothing is not answered without end, and goes in the end', async () => {
    let answered = 0;
    const reply = Buffer.alloc(60_000, 1);
    const at = { address: '127.0.0.1', port: port + 2 };
    const listener = await listenTcp(at, () => (answered++, reply), silentLogger, { connections: 4, idleMs: 100 });
    const socket = connect(at.port, at.address).pause();
    socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => framed(encode(web)))));
    const gone = new Promise(resolve => socket.on('error', () => {}).on('close', resolve));
    setTimeout(() => socket.resume(), 300);
    await gone;
    expect(answered).toBeLessThan(5_000);
    await listener.close();
  });

  test('clients that dribble or crowd go, others are served', async () => {
    const at = { address: '127.0.0.1', port: port + 3 };
    const listener = await listenTcp(at, packet => packet, silentLogger, { connections: 4, idleMs: 150 });
    const dribbling = connect(at.port, at.address);
    const dribble = setInterval(() => dribbling.write(Buffer.from([0])), 20);
    dribbling.write(Buffer.from([0x0f, 0xa0]));
    await closed(dribbling);
    clearInterval(dribble);
    const crowd = Array.from({ length: 4 }, () => connect(at.port, at.address));
    await Promise.all(crowd.map(socket => new Promise(resolve => socket.on('connect', resolve))));
    const first = Promise.race(crowd.map(closed));
    const good = connect(at.port, at.address);
    good.write(framed(encode(web)));
    await Promise.all([first, new Promise(resolve => good.once('data', resolve))]);
    await listener.close();
    for (const socket of [...crowd, good]) socket.destroy();
  });
});

test('a port in use is named', async () => {
  const forwarder = undefined as unknown as Forwarder;
  const second = new DnsServer({ listen, zone, records, forwarder, metrics, clock: systemClock, log: silentLogger });
  await expect(second.run(new AbortController().signal)).rejects.toThrow(
    `Cluster DNS cannot listen on 127.0.0.1:${port}`,
  );
});

test('until services are known, names of the cluster are neither there nor not there', async () => {
  const unsynced = new (class extends ListerRecords {
    override hasSynced(): boolean {
      return false;
    }
  })({ services: svcs, endpointSlices: slices });
  const early = new DnsServer({ ...server['options'], records: unsynced });
  const reply = await early['resolver'].answer(encode(web), { transport: 'udp', family: '1' });
  expect(packet.decode(reply as Buffer)).toMatchObject({ rcode: 'SERVFAIL' });
  expect(early.canAnswer()).toBe(false);
});

test('a node that starts while the API server is away answers for names that it knew, and for no others', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dns-'));
  try {
    const path = join(folder, 'records.json');
    const clock = new FakeClock();
    const first = new AbortController();
    const before = new RecordKeeper({ path, records, clock, log: silentLogger }).run(first.signal);
    first.abort();
    await before;

    let isSynced = false;
    const later = new (class extends ListerRecords {
      override hasSynced(): boolean {
        return isSynced;
      }
      override synced(): Promise<void> {
        return new Promise(() => {});
      }
    })({ services: new ManualInformer(services), endpointSlices: new ManualInformer(endpointSlices) });
    const keeper = new RecordKeeper({ path, records: later, clock, log: silentLogger });
    const second = new AbortController();
    const running = keeper.run(second.signal);
    const resolver = new DnsServer({ ...server['options'], records: later, keeper })['resolver'];
    const ask = async (name: string, type?: packet.RecordType): Promise<string> => {
      const reply = packet.decode(
        (await resolver.answer(encode(name, type), { transport: 'udp', family: '1' })) as Buffer,
      );
      return [(reply as Reply).rcode, ...addresses(reply)].join(' ');
    };
    expect(await ask(web)).toBe('SERVFAIL');
    await clock.advance(3_000);
    while (keeper.lastKnown() === undefined) await new Promise(resolve => setImmediate(resolve));
    expect(await ask(web)).toBe('NOERROR 10.96.0.20');
    expect(await ask('20.0.96.10.in-addr.arpa', 'PTR')).toBe(`NOERROR ${web}`);
    expect((await ask(many)).split(' ').length).toBeGreaterThan(20);
    expect(await ask('new.default.svc.cluster.local')).toBe('SERVFAIL');
    isSynced = true;
    expect(await ask(web)).toBe('NXDOMAIN');
    second.abort();
    await running;
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('readSnapshot() takes nothing that is none', () => {
  for (const text of ['', '{', 'null', '[]', '{"version":1}', '{"version":2,"services":[],"slices":[]}'])
    expect(readSnapshot(text)).toBeUndefined();
});

test('metrics by the names that dashboards know, and readiness', async () => {
  await overUdp(encode(web));
  await overUdp(encode('metrics.example.org'));
  await overUdp(encode('metrics.example.org'));
  slices.set(sliceOf('many', ['10.244.1.1']));
  const get = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port + 1}${path}`);
    return `${response.status} ${await response.text()}`;
  };
  const text = await get('/metrics');
  for (const line of [
    /^coredns_dns_requests_total\{server="dns:\/\/:53",zone="cluster.local",view="",proto="udp",family="1",type="A"\} [1-9]/m,
    /^coredns_dns_responses_total\{server="dns:\/\/:53",zone="\.",view="",rcode="NOERROR",plugin="forward"\} [1-9]/m,
    /^coredns_dns_request_duration_seconds_count\{.*zone="cluster.local".*\} [1-9]/m,
    /^coredns_cache_hits_total\{server="dns:\/\/:53",type="success",zones="\.",view=""\} [1-9]/m,
    /^coredns_cache_misses_total\{server="dns:\/\/:53",zones="\.",view=""\} [1-9]/m,
    /^coredns_cache_entries\{server="dns:\/\/:53",type="success",zones="cluster.local",view=""\} [1-9]/m,
    /^coredns_forward_requests_total\{to="127.0.0.1:\d+"\} [1-9]/m,
    /^coredns_forward_responses_total\{to="127.0.0.1:\d+",rcode="NOERROR"\} [1-9]/m,
    /^coredns_kubernetes_dns_programming_duration_seconds_count\{service_kind="headless_with_selector"\} [1-9]/m,
  ])
    expect(text).toMatch(line);
  expect([await get('/ready'), await get('/health')]).toEqual(['200 OK', '200 OK']);
  expect(await get('/x')).toMatch(/^404 /);
});

test('DnsHandover tells who answers, and when that changes', () => {
  const told: string[] = [];
  const handover = new DnsHandover({ addresses: ['10.96.0.10', 'fd00::a'], records, log: silentLogger });
  const unfollow = handover.follow(() => told.push(handover.answeredHere().join(' ')));
  const dns = svc('kube-dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00::a'] });
  const endpoints = {
    ...sliceOf('kube-dns', ['10.244.0.3']),
    ports: [{ name: 'dns', port: 53, protocol: 'UDP' as const }],
  };
  svcs.set(dns);
  slices.set(endpoints);
  slices.set({ ...endpoints, endpoints: [{ addresses: ['10.244.0.3'], conditions: { ready: false } }] });
  slices.set(endpoints);
  svcs.remove(dns);
  unfollow();
  slices.remove(endpoints);
  expect(told).toEqual(['fd00::a', '10.96.0.10 fd00::a', 'fd00::a', '10.96.0.10 fd00::a']);
});
