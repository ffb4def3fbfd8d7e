/** Arbitrary canonical rules for property tests. */
import * as fc from 'fast-check';
import { canonicalProbability } from '../plan/numbers.ts';
import type { ConnectionState, Match, Rule, Target } from '../plan/rule.ts';

const STATES: ConnectionState[] = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];
const negation = fc.constantFrom({}, { not: true } as const);
const octet = fc.integer({ min: 1, max: 254 });
export const address = fc.tuple(octet, octet, octet, octet).map(parts => parts.join('.'));
const port = fc.integer({ min: 1, max: 65535 });
const range = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const mark = fc.integer({ min: 0, max: 0xffffffff });
const name = fc.stringMatching(/^[A-Z][A-Z0-9-]{0,20}$/);
export const comment = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map(c => String.fromCharCode(c)),
  minLength: 1,
  maxLength: 100,
});

const match: fc.Arbitrary<Match> = fc.oneof(
  comment.map(text => ({ kind: 'comment', text }) as const),
  fc
    .tuple(mark, mark, negation)
    .map(([value, mask, not]) => ({ kind: 'mark', value: (value & mask) >>> 0, mask, ...not }) as const),
  fc
    .tuple(fc.constantFrom('source', 'destination'), fc.constantFrom('LOCAL', 'UNICAST', 'BROADCAST'), negation)
    .map(([side, type, not]) => ({ kind: 'addressType', side, type, ...not }) as const),
  fc
    .tuple(fc.subarray(STATES, { minLength: 1 }), negation)
    .map(([states, not]) => ({ kind: 'state', states, ...not }) as const),
  fc
    .double({ min: 0.001, max: 1, noNaN: true })
    .map(p => ({ kind: 'random', probability: canonicalProbability(p) }) as const),
  name.map(n => ({ kind: 'recent', action: 'set', name: n }) as const),
  fc
    .tuple(name, fc.integer({ min: 1, max: 86400 }))
    .map(([n, seconds]) => ({ kind: 'recent', action: 'rcheck', name: n, seconds, reap: true }) as const),
);

const target: fc.Arbitrary<Target> = fc.oneof(
  fc.constantFrom<Target>({ kind: 'accept' }, { kind: 'drop' }, { kind: 'return' }),
  fc.tuple(mark, mark).map(([value, mask]) => ({ kind: 'mark', value, mask }) as const),
);

/** Rules that the filter table of a kernel with the usual modules accepts. */
export const canonicalRule: fc.Arbitrary<Rule> = fc
  .record(
    {
      source: fc.tuple(address, negation).map(([a, not]) => ({ cidr: `${a}/32`, ...not })),
      destination: fc.tuple(address, negation).map(([a, not]) => ({ cidr: `${a}/32`, ...not })),
      inInterface: fc.tuple(fc.constantFrom('eth0', 'veth+'), negation).map(([n, not]) => ({ name: n, ...not })),
      transport: fc.tuple(fc.constantFrom('tcp', 'udp', 'sctp'), range),
      matches: fc.array(match, { maxLength: 3 }),
      target,
    },
    { requiredKeys: [] },
  )
  .map(({ transport, matches, ...rest }) => {
    const ports: Match[] =
      transport === undefined ? [] : [{ kind: 'port', protocol: transport[0], destination: transport[1] }];
    const all = [...(matches ?? []), ...ports];
    return {
      ...rest,
      ...(transport === undefined ? {} : { protocol: transport[0] }),
      ...(all.length > 0 ? { matches: all } : {}),
    };
  });
