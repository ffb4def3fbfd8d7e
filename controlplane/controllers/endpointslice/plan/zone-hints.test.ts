/** Figures from KEP-2433, "Topology Aware Hints". */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Node } from '../../../../proto/api/core-v1.ts';
import type { Endpoint } from '../../../../proto/api/discovery-v1.ts';
import { assignZoneHints, isOverloaded, zoneRatios, type HintedSlice } from './zone-hints.ts';

const node = (zone: string, cpu: string, more: { ready?: string; role?: string } = {}): Node => ({
  metadata: {
    name: 'n',
    labels: {
      ...(zone === '' ? {} : { 'topology.kubernetes.io/zone': zone }),
      ...(more.role === undefined ? {} : { [`node-role.kubernetes.io/${more.role}`]: '' }),
    },
  },
  spec: {},
  status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: more.ready ?? 'True' }] },
});

const slice = (zones: string, isKept = false): HintedSlice => ({
  isKept,
  endpoints: [...zones].map((zone, i): Endpoint => ({ addresses: [`10.0.0.${i}`], zone, conditions: { ready: true } })),
});

const ratios = (shares: Record<string, number>): ReadonlyMap<string, number> => new Map(Object.entries(shares));
const hintsOf = (slices: readonly HintedSlice[]): string =>
  slices.map(({ endpoints }) => endpoints.map(e => e.hints?.forZones?.[0]?.name ?? '-').join('')).join(' ');

test.each([
  { name: 'two zones', nodes: [node('a', '2'), node('b', '500m'), node('a', '1500m')], want: { a: 0.875, b: 0.125 } },
  { name: 'one zone', nodes: [node('a', '2'), node('a', '2')], want: undefined },
  { name: 'a node without a zone', nodes: [node('a', '2'), node('b', '2'), node('', '1')], want: undefined },
  { name: 'a node without processors', nodes: [node('a', '2'), node('b', '0')], want: undefined },
  {
    name: 'nodes that do not count',
    nodes: [
      node('a', '1'),
      node('b', '1'),
      node('c', '9', { ready: 'False' }),
      node('', '9', { role: 'control-plane' }),
    ],
    want: { a: 0.5, b: 0.5 },
  },
])('zoneRatios() of $name', ({ nodes, want }) => {
  expect(zoneRatios(nodes)).toEqual(want === undefined ? undefined : ratios(want));
});

test.each([
  { name: 'each zone has its share', slices: [slice('aabb')], shares: { a: 0.5, b: 0.5 }, want: 'aabb' },
  {
    name: 'a zone without endpoints gets one',
    slices: [slice('aaab')],
    shares: { a: 0.5, b: 0.25, c: 0.25 },
    want: 'caab',
  },
  { name: 'the larger zone gets more', slices: [slice('aaabbb')], shares: { a: 0.7, b: 0.3 }, want: 'aaaabb' },
  { name: 'several slices', slices: [slice('aaa'), slice('aab')], shares: { a: 0.5, b: 0.5 }, want: 'bba aab' },
])('assignZoneHints(): $name', ({ slices, shares, want }) => {
  expect(assignZoneHints(slices, ratios(shares)).kind).toBe('assigned');
  expect(hintsOf(slices)).toBe(want);
});

test.each([
  {
    name: 'too few endpoints',
    slices: [slice('ab')],
    shares: { a: 0.4, b: 0.3, c: 0.3 },
    want: /^Insufficient number of endpoints \(2 endpoints, 3 zones\)$/,
  },
  {
    name: 'shares that cannot be met',
    slices: [slice('aab')],
    shares: { a: 0.51, b: 0.49 / 2, c: 0.49 / 2 },
    want: /^Unable to allocate minimum .* \(3 endpoints, 3 zones\)$/,
  },
  { name: 'nothing known of nodes', slices: [slice('ab')], shares: undefined, want: /^Insufficient Node information/ },
  {
    name: 'an endpoint without a zone',
    slices: [
      {
        isKept: false,
        endpoints: [...slice('aab').endpoints, { addresses: ['10.0.0.9'], conditions: { ready: true } }],
      },
    ],
    shares: { a: 0.5, b: 0.5 },
    want: /^One or more endpoints do not have a zone specified$/,
  },
])('assignZoneHints() takes all hints away with $name', ({ slices, shares, want }) => {
  const before = slice('ab', true);
  assignZoneHints([before], ratios({ a: 0.5, b: 0.5 }));
  expect(hintsOf([before])).toBe('ab');
  const outcome = assignZoneHints(
    shares === undefined ? [before] : slices,
    shares === undefined ? undefined : ratios(shares),
  );
  expect(outcome).toEqual({ kind: 'none', why: expect.stringMatching(want) });
  expect(hintsOf(slices)).not.toMatch(/[a-c]/);
});

test('endpoints that are not ready are for nobody, and do not count', () => {
  const one = slice('aab');
  one.endpoints[0] = { addresses: ['10.0.0.9'], zone: 'a', conditions: { ready: false } };
  expect(assignZoneHints([one], ratios({ a: 0.5, b: 0.5 }))).toMatchObject({ kind: 'assigned' });
  expect(hintsOf([one])).toBe('-ab');
});

test('a slice whose hints still fit is left alone; one that is for a zone without nodes is not', () => {
  const kept = slice('aabb');
  assignZoneHints([kept], ratios({ a: 0.5, b: 0.5 }));
  kept.isKept = true;
  const fresh = slice('ab');
  assignZoneHints([kept, fresh], ratios({ a: 0.5, b: 0.5 }));
  expect([kept.isKept, hintsOf([kept, fresh])]).toEqual([true, 'aabb ab']);
  assignZoneHints([kept, fresh], ratios({ a: 0.5, c: 0.5 }));
  expect(kept.isKept).toBe(false);
  expect(hintsOf([kept])).toMatch(/c/);
});

test.each([
  { byZone: { a: 5, b: 5 }, shares: { a: 0.5, b: 0.5 }, want: false },
  { byZone: { a: 8, b: 2 }, shares: { a: 0.5, b: 0.5 }, want: true },
  { byZone: { a: 6, b: 5 }, shares: { a: 0.5, b: 0.5 }, want: false },
  { byZone: { a: 5, b: 5 }, shares: { a: 0.4, b: 0.4, c: 0.2 }, want: true },
  { byZone: { a: 5, b: 5 }, shares: undefined, want: true },
  { byZone: {}, shares: { a: 0.5, b: 0.5 }, want: false },
])('isOverloaded($byZone) with $shares', ({ byZone, shares, want }) => {
  expect(isOverloaded(ratios(byZone), shares === undefined ? undefined : ratios(shares))).toBe(want);
});

test('every hint is counted, wherever the endpoints are', () => {
  const zones = ['a', 'b', 'c'];
  const shares = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(shares, fc.array(fc.constantFrom(...zones), { minLength: 1, maxLength: 60 }), (cpus, where) => {
      const total = cpus.reduce((sum, n) => sum + n, 0);
      const wanted = new Map(zones.flatMap((zone, i) => (cpus[i] ? [[zone, cpus[i] / total] as const] : [])));
      const slices = [slice(where.join(''))];
      const outcome = assignZoneHints(slices, wanted.size < 2 ? undefined : wanted);
      const hints = hintsOf(slices).split('');
      if (outcome.kind === 'none') return expect(hints.every(zone => zone === '-')).toBe(true);
      for (const zone of zones) expect(outcome.byZone.get(zone) ?? 0).toBe(hints.filter(name => name === zone).length);
    }),
    { numRuns: 100 },
  );
});
