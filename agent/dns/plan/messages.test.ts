import { describe, expect, test } from '@jest/globals';
import * as packet from 'dns-packet';
import * as fc from 'fast-check';
import { chooseUpstreams } from './choose-upstreams.ts';
import type { UpstreamView } from './choose-upstreams.ts';
import { decodeQuery, optRecord } from './decode-query.ts';
import type { Query } from './decode-query.ts';
import { encodeMessage } from './encode-message.ts';
import { encodeForward, encodeQuery, retarget } from './encode-query.ts';
import { readForwardRules, serversFor } from './forward-rules.ts';
import { addressesOf, parseRawResponse, renewResponse, staleResponse, truncatedResponse } from './raw-response.ts';
import { upstreamsOf } from './resolv-conf.ts';
import type { ZoneRecord } from './zone-records.ts';

const queryOf = (bytes: Buffer): Query => {
  const decoded = decodeQuery(bytes);
  if (decoded.kind !== 'query') throw new Error(decoded.kind);
  return decoded.query;
};
const withOpt = (bytes: Buffer, ...opts: Buffer[]): Buffer => {
  const all = Buffer.concat([bytes, ...opts]);
  all.writeUInt16BE(opts.length, 10);
  return all;
};
const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map(labels => labels.join('.'));

/** A packet with some bytes changed and its end cut off. */
function mutated(valid: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
  return fc.tuple(fc.array(change, { maxLength: 5 }), fc.nat(valid.length)).map(([changes, cut]) => {
    const bytes = Buffer.from(valid);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes.subarray(0, valid.length - (cut % 20));
  });
}

describe('decodeQuery()', () => {
  test('reads what others write, case kept', () => {
    fc.assert(
      fc.property(name, fc.nat(0xffff), fc.boolean(), (asked, id, rd) => {
        const flags = rd ? packet.RECURSION_DESIRED : 0;
        const bytes = packet.encode({
          type: 'query',
          id,
          flags,
          questions: [{ name: asked, type: 'SRV', class: 'IN' }],
        });
        expect(queryOf(bytes)).toMatchObject({ id, name: asked, type: 'SRV', recursionDesired: rd, udpBytes: 512 });
      }),
      { numRuns: 100 },
    );
  });

  const a = encodeQuery(7, 'a.b', 'A');
  const big = Buffer.from(a);
  const withClass = (value: number): Buffer => {
    const bytes = Buffer.from(a);
    bytes[bytes.length - 1] = value;
    return bytes;
  };
  const withByte = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(a);
    bytes[at] = value;
    return bytes;
  };
  test.each([
    ['too short', a.subarray(0, 11), 'ignore'],
    ['a response', withByte(2, 0x81), 'ignore'],
    ['another operation', withByte(2, 0x10), 'NOTIMP'],
    ['no question', withByte(5, 0), 'FORMERR'],
    ['two questions', withByte(5, 2), 'FORMERR'],
    ['a name that points at itself', withByte(12, 0xc0), 'FORMERR'],
    ['a name that does not end', a.subarray(0, 14), 'FORMERR'],
    ['a name that is too long', encodeLong(), 'FORMERR'],
    ['another class', withClass(3), 'REFUSED'],
    ['records that are not there', withByte(11, 1), 'FORMERR'],
    ['two OPT records', withOpt(big, optRecord(false), optRecord(false)), 'FORMERR'],
    ['EDNS of another version', withOpt(big, versionOne()), 'BADVERS'],
  ])('%s: %s', (_, bytes, want) => {
    const decoded = decodeQuery(bytes);
    expect(decoded.kind === 'bad' ? decoded.rcode : decoded.kind).toBe(want);
    if (decoded.kind === 'bad') packet.decode(decoded.reply);
  });

  function encodeLong(): Buffer {
    const long = Buffer.concat([
      ...Array.from({ length: 5 }, () => Buffer.from([60, ...Buffer.alloc(60, 97)])),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
    return Buffer.concat([a.subarray(0, 12), long]);
  }

  function versionOne(): Buffer {
    const opt = optRecord(false);
    opt[6] = 1;
    return opt;
  }

  test('a dot within a label is no end of it', () => {
    const bytes = Buffer.concat([a.subarray(0, 12), Buffer.from([3, 97, 46, 98, 0, 0, 1, 0, 1])]);
    expect(queryOf(bytes).name).toBe('a\\046b');
  });

  test('any bytes are read or refused, and no reply is longer than what came', () => {
    const valid = withOpt(encodeQuery(7, 'web.default.svc.cluster.local', 'A'), optRecord(true));
    const anything = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(mutated(valid), anything), bytes => {
        const decoded = decodeQuery(bytes);
        if (decoded.kind === 'ignore') return;
        const reply = decoded.kind === 'bad' ? decoded.reply : truncatedResponse(bytes);
        expect(reply.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
        expect(reply.length).toBeLessThanOrEqual(
          bytes.length + (decoded.kind === 'bad' && decoded.rcode === 'BADVERS' ? 11 : 0),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('encodeMessage()', () => {
  const base = { ttl: 5, class: 'IN' } as const;
  const answersOf = (owner: string): fc.Arbitrary<ZoneRecord[]> =>
    fc.array(
      fc.oneof(
        fc.ipV4().map((data): ZoneRecord => ({ ...base, type: 'A', name: owner, data })),
        fc.ipV6().map((data): ZoneRecord => ({ ...base, type: 'AAAA', name: owner, data })),
        name.map((data): ZoneRecord => ({ ...base, type: 'CNAME', name: owner, data })),
        fc.tuple(name, fc.nat(65_535)).map(([target, port]): ZoneRecord => ({
          ...base,
          type: 'SRV',
          name: owner,
          data: { priority: 0, weight: 1, port, target },
        })),
      ),
      { maxLength: 40 },
    );

  test('others read what is written; what does not fit is left out and said', () => {
    const messages = name.chain(owner =>
      fc.tuple(fc.constant(owner), answersOf(owner), fc.integer({ min: 300, max: 4096 })),
    );
    fc.assert(
      fc.property(messages, ([owner, answers, maxBytes]) => {
        const { question } = queryOf(encodeQuery(1, owner, 'A'));
        const authorities: ZoneRecord[] = [{ ...base, type: 'NS', name: 'cluster.local', data: `ns.${owner}` }];
        const { bytes, truncated } = encodeMessage({
          id: 9,
          flags: 0,
          question,
          answers,
          authorities,
          additionals: authorities,
          edns: { dnssecOk: false },
          maxBytes,
        });
        expect(bytes.length).toBeLessThanOrEqual(maxBytes);
        const read = packet.decode(bytes);
        expect([read.id, read.questions?.[0]?.name, read.flag_tc]).toEqual([9, owner, truncated]);
        const said = read.answers ?? [];
        expect(said.map(r => [r.name, r.type])).toEqual(answers.slice(0, said.length).map(r => [r.name, r.type]));
        expect(said.length === answers.length).toBe(!truncated);
        expect(read.additionals?.some(r => r.type === 'OPT')).toBe(true);
        for (const [i, record] of said.entries())
          if (record.type === 'SRV' || record.type === 'CNAME') expect(record.data).toEqual(answers[i]?.data);
      }),
      { numRuns: 200 },
    );
  });

  test('a hundred addresses fit where names are said once', () => {
    const { question } = queryOf(encodeQuery(1, 'many.default.svc.cluster.local', 'A'));
    const answers = Array.from({ length: 100 }, (_, i): ZoneRecord => ({
      ...base,
      type: 'A',
      name: 'many.default.svc.cluster.local',
      data: `10.0.0.${i}`,
    }));
    const { bytes, addresses } = encodeMessage({
      id: 1,
      flags: 0,
      question,
      answers,
      authorities: [],
      additionals: [],
      edns: undefined,
      maxBytes: 4096,
    });
    expect(bytes.length).toBeLessThan(1_700);
    expect(addresses).toMatchObject({ size: 16, count: 100 });
  });
});

test('encodeForward() and retarget() ask what the client asked', () => {
  const query = queryOf(withOpt(encodeQuery(1, 'Web.org', 'AAAA'), optRecord(true)));
  expect(queryOf(encodeForward(2, query))).toMatchObject({
    id: 2,
    name: 'Web.org',
    type: 'AAAA',
    edns: { dnssecOk: true },
  });
  expect(queryOf(encodeForward(3, retarget(query, 'other.example')))).toMatchObject({
    name: 'other.example',
    type: 'AAAA',
  });
  expect(() => retarget(query, `${'x'.repeat(64)}.org`)).toThrow('no DNS name');
  expect(() => retarget(query, 'a..b')).toThrow('no DNS name');
});

describe('raw responses', () => {
  const questions = [{ name: 'a.org', type: 'A', class: 'IN' }] as const;
  const response = packet.encode({
    type: 'response',
    id: 7,
    flags: 0,
    questions: [...questions],
    answers: [
      { name: 'a.org', type: 'A', ttl: 20, data: '192.0.2.1' },
      { name: 'a.org', type: 'A', ttl: 60, data: '192.0.2.2' },
    ],
  });
  const client = queryOf(encodeQuery(99, 'A.oRg', 'A'));

  test('are kept for the shortest time to live, age, and come in the case of the one who asks', () => {
    const raw = parseRawResponse(response, 30);
    if (raw === undefined) throw new Error('not read');
    expect(raw.ttlSeconds).toBe(20);
    const aged = packet.decode(renewResponse(raw, client, 5));
    expect([aged.id, ...(aged.answers ?? []).map(a => ('ttl' in a ? a.ttl : 0))]).toEqual([99, 15, 55]);
    expect(aged.questions?.[0]?.name).toBe('A.oRg');
    const stale = packet.decode(staleResponse(raw, client, 5));
    expect((stale.answers ?? []).map(a => ('ttl' in a ? a.ttl : 0))).toEqual([5, 5]);
  });

  test('that say no are kept as their SOA says, failures and what was cut short not at all', () => {
    const soa = { type: 'SOA', name: 'org', ttl: 300, data: { mname: 'x', rname: 'y', minimum: 9 } } as const;
    const ttl = (message: packet.Packet): number | undefined =>
      parseRawResponse(packet.encode({ type: 'response', id: 1, ...message }), 30)?.ttlSeconds;
    expect(ttl({ flags: 3, authorities: [soa] })).toBe(9);
    expect(ttl({ flags: 0, authorities: [soa] })).toBe(9);
    expect(ttl({ flags: 3 })).toBe(0);
    expect(ttl({ flags: 2 })).toBe(0);
    expect(
      ttl({ flags: packet.TRUNCATED_RESPONSE, answers: [{ name: 'a', type: 'A', ttl: 9, data: '192.0.2.1' }] }),
    ).toBe(0);
  });

  test('truncatedResponse() leaves header, question and EDNS', () => {
    expect(packet.decode(truncatedResponse(response, optRecord(false)))).toMatchObject({
      id: 7,
      flag_tc: true,
      questions: [{ name: 'a.org' }],
      answers: [],
      additionals: [{ type: 'OPT' }],
    });
  });

  test('addressesOf() reads addresses and aliases', () => {
    const answers = [
      { name: 'a.org', type: 'CNAME', ttl: 9, data: 'b.a.org' },
      { name: 'b.a.org', type: 'AAAA', ttl: 9, data: 'fd00::1' },
      { name: 'b.a.org', type: 'A', ttl: 9, data: '192.0.2.9' },
    ] as const;
    const bytes = packet.encode({ type: 'response', id: 1, questions: [...questions], answers: [...answers] });
    expect(addressesOf(bytes).map(r => [r.name, r.data])).toEqual([
      ['a.org', 'b.a.org'],
      ['b.a.org', 'fd00:0000:0000:0000:0000:0000:0000:0001'],
      ['b.a.org', '192.0.2.9'],
    ]);
  });

  test('any bytes are read or refused, pointers in circles too', () => {
    const loops = fc
      .array(fc.constantFrom(0xc0, 12, 0, 1, 63), { maxLength: 60 })
      .map(tail => Buffer.concat([response.subarray(0, 12), Buffer.from(tail)]));
    const anything = fc.uint8Array({ maxLength: 100 }).map(bytes => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(mutated(response), loops, anything), bytes => {
        const raw = parseRawResponse(bytes, 30);
        if (raw !== undefined) {
          expect(renewResponse(raw, client, 3)).toHaveLength(bytes.length);
          addressesOf(bytes);
        }
        if (bytes.length >= 12) expect(truncatedResponse(bytes).length).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('chooseUpstreams()', () => {
  const view = (id: string, more: Partial<UpstreamView> = {}) => ({
    id,
    isSilent: false,
    isLoop: false,
    usualMs: 10,
    askedAtMs: 0,
    ...more,
  });
  const plan = (nowMs: number, ...upstreams: ReturnType<typeof view>[]): string =>
    chooseUpstreams(upstreams, nowMs)
      .attempts.map(({ upstream, afterMs }) => `${upstream.id}+${afterMs}`)
      .join(' ');

  test.each([
    ['in order, each again', 500, [view('a'), view('b')], 'a+0 b+60 a+700 b+700'],
    [
      'longer for one that is slow, or unknown',
      500,
      [view('a', { usualMs: 50 }), view('b', { usualMs: undefined }), view('c')],
      'a+0 b+200 c+250 a+700 b+700 c+700',
    ],
    ['the silent one last', 500, [view('a', { isSilent: true }), view('b')], 'b+0 a+60 b+700'],
    [
      'the silent one at once, if it has had its rest',
      1_000,
      [view('a', { isSilent: true }), view('b')],
      'b+0 a+0 b+700',
    ],
    ['all at once if none answers', 500, [view('a', { isSilent: true }), view('b', { isSilent: true })], 'a+0 b+0'],
    ['never one that asks us', 500, [view('a', { isLoop: true }), view('b')], 'b+0 b+700'],
    ['nobody', 500, [view('a', { isLoop: true })], ''],
  ])('%s', (_, nowMs, upstreams, want) => {
    expect(plan(nowMs, ...upstreams)).toBe(want);
  });
});

describe('whom to ask', () => {
  test('upstreamsOf() takes three servers and never ourselves', () => {
    const text =
      '# c\nsearch x\nnameserver 10.96.0.10\nnameserver 192.0.2.1 # first\n nameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver bad!\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n';
    expect(upstreamsOf(text, ['10.96.0.10'])).toEqual(['192.0.2.1', 'fe80::1%eth0', '192.0.2.2']);
  });

  const read = (data: Record<string, string>) =>
    readForwardRules(
      data,
      text => /^[\d.]+$|^[\da-f:]*::[\da-f:]*$/.test(text),
      address => address === '10.96.0.10',
    );

  test('readForwardRules() takes what is right and names what is not', () => {
    const { rules, problems } = read({
      upstreamNameservers: '["192.0.2.1", "fd00::1", "10.96.0.10", 7]',
      stubDomains: '{"Acme.local": ["192.0.2.2:5353", "[fd00::2]:53"], "b d": ["192.0.2.2"], "c": "192.0.2.2"}',
    });
    expect(rules.upstreams?.map(s => s.address)).toEqual(['192.0.2.1', 'fd00::1']);
    expect([...rules.stubDomains]).toEqual([
      [
        'acme.local',
        [
          { address: '192.0.2.2', port: 5353 },
          { address: 'fd00::2', port: 53 },
        ],
      ],
    ]);
    expect(problems).toEqual([
      'data.upstreamNameservers: "10.96.0.10" is the address of cluster DNS itself',
      'data.upstreamNameservers: 7 is no address',
      'data.stubDomains["b d"]: no domain',
      'data.stubDomains["c"]: "192.0.2.2" is no list of addresses',
    ]);
    expect(read({ stubDomains: '{' }).problems).toEqual(['data.stubDomains: no JSON']);
  });

  test('serversFor() takes the closest domain', () => {
    const { rules } = read({ stubDomains: '{"acme.local": ["192.0.2.2"], "deep.acme.local": ["192.0.2.3"]}' });
    const of = (asked: string) => serversFor(asked, rules)?.[0]?.address;
    expect([of('a.acme.local'), of('x.deep.acme.local'), of('acme.local'), of('xacme.local'), of('')]).toEqual([
      '192.0.2.2',
      '192.0.2.3',
      '192.0.2.2',
      undefined,
      undefined,
    ]);
  });
});
