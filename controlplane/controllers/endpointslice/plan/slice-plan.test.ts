import { expect, test } from '@jest/globals';
import type { Pod, Service } from '../../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../../proto/api/discovery-v1.ts';
import { planSlices, type SliceInput, type SlicePlan } from './slice-plan.ts';

const service = (spec: Partial<Service['spec']> = {}, annotations: Record<string, string> = {}): Service => ({
  metadata: { name: 'web', namespace: 'd', uid: 's', annotations },
  spec: { selector: { app: 'web' }, ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
});

const pod = (n: number, { ready = true, node = `n${n % 2}`, port = 80 } = {}): Pod => ({
  metadata: { name: `p${n}`, namespace: 'd', uid: `u${n}` },
  spec: { nodeName: node, containers: [{ name: 'c', image: 'x', ports: [{ name: 'http', containerPort: port }] }] },
  status: {
    phase: 'Running',
    podIPs: [{ ip: `10.0.${n >> 8}.${n & 255}` }, { ip: `fd00::${n.toString(16)}` }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});

const pods = (count: number): Pod[] => Array.from({ length: count }, (_, n) => pod(n));
const zoneOf = (node: string): string | undefined => ({ n0: 'a', n1: 'b' })[node];
const plan = (input: Partial<SliceInput>): SlicePlan =>
  planSlices({ service: service(), pods: [], slices: [], zoneOf, ...input });

/** What stands after a plan was carried out. */
function after(slices: readonly EndpointSlice[], done: SlicePlan): EndpointSlice[] {
  const changed = new Map(done.update.map(slice => [slice.metadata.name, slice]));
  const gone = new Set(done.delete.map(slice => slice.metadata.name));
  const left = slices.filter(slice => !gone.has(slice.metadata.name));
  return [...left.map(slice => changed.get(slice.metadata.name) ?? slice), ...done.create];
}

const sizes = (slices: readonly EndpointSlice[]): number[] => slices.map(slice => slice.endpoints?.length ?? 0);
const counts = (p: SlicePlan): number[] => [p.create.length, p.update.length, p.delete.length];

test('a thousand endpoints fill ten slices, one more makes an eleventh, and one less touches one slice', () => {
  const slices = plan({ pods: pods(1000) }).create;
  expect(sizes(slices)).toEqual(Array<number>(10).fill(100));
  expect(counts(plan({ pods: pods(1000), slices }))).toEqual([0, 0, 0]);
  expect(counts(plan({ pods: pods(1001), slices }))).toEqual([1, 0, 0]);
  const fewer = plan({ pods: pods(1000).filter((_, n) => n !== 555), slices });
  expect(counts(fewer)).toEqual([0, 1, 0]);
  expect(sizes(after(slices, fewer)).sort()).toEqual([...Array<number>(9).fill(100), 99].sort());
});

test('each family has slices of its own, and loses them with the family', () => {
  const dual = service({ ipFamilies: ['IPv6', 'IPv4'] });
  const slices = plan({ service: dual, pods: pods(2) }).create;
  expect(slices.map(({ addressType, endpoints = [] }) => [addressType, endpoints[1]?.addresses])).toEqual([
    ['IPv6', ['fd00::1']],
    ['IPv4', ['10.0.0.1']],
  ]);
  const single = plan({ service: service({ ipFamilies: ['IPv6'] }), pods: pods(2), slices });
  expect([counts(single), single.delete[0]?.addressType]).toEqual([[0, 0, 1], 'IPv4']);
});

test('a headless service of both families without ports has its pods all the same', () => {
  const headless = service({ clusterIP: 'None', ipFamilies: ['IPv4', 'IPv6'], ports: [] });
  const { create } = plan({ service: headless, pods: pods(3) });
  expect(create.map(({ addressType, ports, endpoints }) => [addressType, ports, endpoints?.length])).toEqual([
    ['IPv4', [], 3],
    ['IPv6', [], 3],
  ]);
  expect(create[0]?.metadata.labels).toMatchObject({ 'service.kubernetes.io/headless': '' });
});

test('pods whose named port has another number are in slices of their own; the slice of one that goes takes the other', () => {
  const named = service({ ports: [{ port: 80, protocol: 'TCP', targetPort: 'http' }] });
  const slices = plan({ service: named, pods: [pod(0), pod(1, { port: 81 })] }).create;
  expect(slices.map(slice => slice.ports?.[0]?.port)).toEqual([80, 81]);
  const moved = plan({ service: named, pods: [pod(0), pod(1, { port: 82 })], slices });
  expect([counts(moved), moved.update[0]?.ports?.[0]?.port]).toEqual([[0, 1, 0], 82]);
});

test('a service without pods has an empty slice; the last pod that goes leaves it', () => {
  const slices = plan({}).create;
  expect(sizes(slices)).toEqual([0]);
  expect(counts(plan({ slices }))).toEqual([0, 0, 0]);
  const filled = plan({ slices, pods: pods(1) });
  expect(counts(filled)).toEqual([0, 1, 0]);
  expect(counts(plan({ slices: after(slices, filled) }))).toEqual([0, 1, 0]);
});

test('slices of a service that had the name before go', () => {
  const slices = plan({ pods: pods(1) }).create;
  const next = { ...service(), metadata: { ...service().metadata, uid: 'another' } };
  expect(counts(plan({ service: next, pods: pods(1), slices }))).toEqual([1, 0, 1]);
});

test('changed slices say when that happened which they answer to, and others do not', () => {
  const key = 'endpoints.kubernetes.io/last-change-trigger-time';
  const slices = plan({ pods: pods(150), triggeredAtMs: 1_000_000_000_000 }).create;
  expect(slices.map(slice => slice.metadata.annotations?.[key])).toEqual(Array(2).fill('2001-09-09T01:46:40Z'));
  const changed = plan({ pods: [...pods(149), pod(149, { ready: false })], slices });
  expect(changed.update.map(slice => slice.metadata.annotations)).toEqual([undefined]);
});

test.each([
  { want: 'PreferClose', hints: { forZones: [{ name: 'b' }] } },
  { want: 'PreferSameZone', hints: { forZones: [{ name: 'b' }] } },
  { want: 'PreferSameNode', hints: { forZones: [{ name: 'b' }], forNodes: [{ name: 'n1' }] } },
  { want: undefined, hints: undefined },
])('trafficDistribution $want hints at those that are near', ({ want, hints }) => {
  const wish = service(want === undefined ? {} : { trafficDistribution: want });
  const all = [pod(1), pod(3, { ready: false }), pod(5, { node: 'elsewhere' })];
  const { create: slices } = plan({ service: wish, pods: all });
  const [near, notReady, noZone] = slices[0]?.endpoints ?? [];
  expect([near?.hints, notReady?.hints]).toEqual([hints, undefined]);
  expect(noZone?.hints).toEqual(want === 'PreferSameNode' ? { forNodes: [{ name: 'elsewhere' }] } : undefined);
  // Who wishes for it no more loses the hints, in one write.
  expect(counts(plan({ pods: all, slices }))).toEqual([0, want === undefined ? 0 : 1, 0]);
});

test('topology-mode: Auto counts more than trafficDistribution; slices whose hints fit are left alone', () => {
  const auto = service({ trafficDistribution: 'PreferClose' }, { 'service.kubernetes.io/topology-mode': 'Auto' });
  const ratios = new Map([
    ['a', 0.5],
    ['b', 0.5],
  ]);
  const first = plan({ service: auto, pods: pods(150), ratios });
  expect(first.hints.get('IPv4')).toEqual({ kind: 'assigned', byZone: new Map(Object.entries({ a: 75, b: 75 })) });
  const slices = first.create;
  expect(counts(plan({ service: auto, pods: pods(150), slices, ratios }))).toEqual([0, 0, 0]);
  expect(counts(plan({ service: auto, pods: pods(151), slices, ratios }))).toEqual([0, 1, 0]);
  const without = plan({ service: auto, pods: pods(150), slices, ratios: undefined });
  expect([counts(without), without.hints.get('IPv4')?.kind]).toEqual([[0, 2, 0], 'none']);
  const left = after(slices, without).flatMap(slice => slice.endpoints ?? []);
  expect(left.filter(({ hints }) => hints !== undefined)).toEqual([]);
});
