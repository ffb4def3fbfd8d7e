/** Arbitrary canonical rules, elements and entries for property tests. */
import * as fc from 'fast-check';
import { canonicalAddress, canonicalCidr } from '../plan/address.ts';
import { canonicalProbability } from '../plan/numbers.ts';
import type { ConnectionState, Family, Match, PortRange, Rule, Target } from '../plan/rule.ts';

const STATES: ConnectionState[] = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];
const negation = fc.constantFrom({}, { not: true } as const);
const octet = fc.integer({ min: 1, max: 254 });
export const address = fc.tuple(octet, octet, octet, octet).map(parts => parts.join('.'));
/** Of unicast addresses, with runs of zeros. */
const addressSix = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 7, maxLength: 7 })
  .map(groups => canonicalAddress(['fd00', ...groups.map(group => group.toString(16))].join(':')));
const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]): PortRange => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const one = port.map((p): PortRange => ({ from: p, to: p }));
const mark = fc.integer({ min: 0, max: 0xffffffff });
const name = fc.stringMatching(/^[A-Z][A-Z0-9-]{0,20}$/);
const printable = (maxLength: number, minLength = 1): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map(c => String.fromCharCode(c)),
    minLength,
    maxLength,
  });
export const comment = fc.oneof(printable(100), fc.constantFrom('-j', '-m', '!', '--comment', "it's", '\\', '"'));
/** What nft and ipset take in quotes. */
export const plainComment = printable(60).map(text => text.replaceAll(/["\\]/g, '.'));

export function addressOf(family: Family): fc.Arbitrary<string> {
  return family === 'ipv4' ? address : addressSix;
}

export function cidrOf(family: Family): fc.Arbitrary<string> {
  const bits = family === 'ipv4' ? 32 : 128;
  return fc.tuple(addressOf(family), fc.integer({ min: 1, max: bits })).map(([a, n]) => canonicalCidr(`${a}/${n}`));
}

const markMatch = fc
  .tuple(mark, mark, negation)
  .map(([value, mask, not]) => ({ value: (value & mask) >>> 0, mask, ...not }));

function matchOf(family: Family): fc.Arbitrary<Match> {
  const addresses = fc.tuple(addressOf(family), negation).map(([from, not]) => ({ from, to: from, ...not }));
  return fc.oneof(
    comment.map(text => ({ kind: 'comment', text }) as const),
    markMatch.map(m => ({ kind: 'mark', ...m }) as const),
    markMatch.map(m => ({ kind: 'connectionMark', ...m }) as const),
    fc
      .tuple(fc.constantFrom('source', 'destination'), fc.constantFrom('LOCAL', 'UNICAST'), negation)
      .map(([side, type, not]) => ({ kind: 'addressType', side, type, ...not }) as const),
    fc
      .tuple(fc.subarray(STATES, { minLength: 1 }), negation)
      .map(([states, not]) => ({ kind: 'state', states, ...not }) as const),
    fc
      .tuple(fc.double({ min: 0.001, max: 1, noNaN: true }), negation)
      .map(([p, not]) => ({ kind: 'random', probability: canonicalProbability(p), ...not }) as const),
    fc
      .tuple(fc.integer({ min: 2, max: 100 }), fc.nat({ max: 1 }))
      .map(([every, packet]) => ({ kind: 'nth', every, packet }) as const),
    fc
      .record({ source: addresses, destination: addresses }, { requiredKeys: ['source'] })
      .map(m => ({ kind: 'addressRange', ...m }) as const),
    fc.constantFrom(1, 5, 20).map(n => ({ kind: 'limit', rate: `${n}/min`, burst: 7 }) as const),
    name.map(n => ({ kind: 'recent', action: 'set', name: n }) as const),
    fc
      .tuple(name, fc.integer({ min: 1, max: 86400 }))
      .map(([n, seconds]) => ({ kind: 'recent', action: 'rcheck', name: n, seconds, reap: true }) as const),
    fc.constant({ kind: 'other', module: 'pkttype', args: ['!', '--pkt-type', 'broadcast'] } as const),
  );
}

const target: fc.Arbitrary<Target> = fc.oneof(
  fc.constantFrom<Target>(
    { kind: 'accept' },
    { kind: 'drop' },
    { kind: 'return' },
    { kind: 'log', prefix: 'a b: ', level: 6 },
    { kind: 'connectionMark', action: 'save', packetMask: 0xff, connectionMask: 0xff00 },
    { kind: 'other', name: 'NFLOG', args: ['--nflog-prefix', 'a b', '--nflog-group', '2'] },
  ),
  fc.tuple(mark, mark).map(([value, mask]) => ({ kind: 'mark', value, mask }) as const),
  fc.tuple(mark, mark).map(([value, mask]) => ({ kind: 'connectionMark', action: 'set', value, mask }) as const),
);

const transport: fc.Arbitrary<{ readonly protocol: string; readonly match: Match }> = fc.oneof(
  fc
    .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), fc.option(range), range, negation)
    .map(([protocol, source, destination, not]) => ({
      protocol,
      match: {
        kind: 'port',
        protocol,
        ...(source === null ? {} : { source }),
        destination: { ...destination, ...not },
      } as const,
    })),
  fc
    .tuple(fc.constantFrom('source', 'destination', 'either'), fc.array(one, { minLength: 1, maxLength: 15 }), negation)
    .map(([side, ports, not]) => ({ protocol: 'udp', match: { kind: 'ports', side, ports, ...not } as const })),
  negation.map(not => ({
    protocol: 'tcp',
    match: { kind: 'port', protocol: 'tcp', flags: { mask: ['SYN', 'ACK'], set: ['SYN'], ...not } } as const,
  })),
);

/** Rules that the filter table of a kernel with the usual modules accepts. */
export function canonicalRuleOf(family: Family): fc.Arbitrary<Rule> {
  const cidr = fc.tuple(cidrOf(family), negation).map(([a, not]) => ({ cidr: a, ...not }));
  return fc
    .record(
      {
        source: cidr,
        destination: cidr,
        inInterface: fc.tuple(fc.constantFrom('eth0', 'veth+'), negation).map(([n, not]) => ({ name: n, ...not })),
        transport,
        matches: fc.array(matchOf(family), { maxLength: 3 }),
        target,
      },
      { requiredKeys: [] },
    )
    .map(({ transport: on, matches, ...rest }) => {
      const all = [...(matches ?? []), ...(on === undefined ? [] : [on.match])];
      return {
        ...rest,
        ...(on === undefined ? {} : { protocol: on.protocol }),
        ...(all.length > 0 ? { matches: all } : {}),
      };
    });
}

export const canonicalRule = canonicalRuleOf('ipv4');
