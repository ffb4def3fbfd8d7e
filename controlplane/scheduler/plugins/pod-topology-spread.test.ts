import { expect, jest, test } from '@jest/globals';
import { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { replicaSets, services, statefulSets } from '../../../machinery/client/resource.ts';
import type { Node, Pod, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';
import type { PodTopologySpreadArgs } from '../../../proto/api/kube-scheduler-config-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import {
  aNode,
  aPod,
  filterAll,
  nodeComes,
  nodeGoes,
  PluginWorld,
  podComes,
  podGoes,
  scoreAll,
  updateOf,
  wakes,
  type Labels,
} from './testdata/plugin-world.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const TOO_UNEVEN = "node(s) didn't match pod topology spread constraints";
const NO_LABEL = `${TOO_UNEVEN} (missing required label)`;

const app = { app: 'a' };
const over = (topologyKey: string, more: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint => ({
  topologyKey,
  maxSkew: 1,
  whenUnsatisfiable: 'DoNotSchedule',
  labelSelector: { matchLabels: app },
  ...more,
});
const softly = (topologyKey: string, more: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint =>
  over(topologyKey, { whenUnsatisfiable: 'ScheduleAnyway', ...more });
const spreading = (...topologySpreadConstraints: TopologySpreadConstraint[]): Pod =>
  aPod({ labels: app, topologySpreadConstraints });

/** Nodes a1 and a2 in zone a, b1 in zone b, with so many pods of the app each, and `bare` without a zone. */
function aWorld(
  counts: Record<string, number> = {},
  pod: { labels?: Labels; namespace?: string; terminating?: boolean } = {},
): PluginWorld {
  const world = new PluginWorld().nodes(
    aNode('a1', { labels: { zone: 'a' } }),
    aNode('a2', { labels: { zone: 'a' } }),
    aNode('b1', { labels: { zone: 'b' } }),
    aNode('bare'),
  );
  for (const [nodeName, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) world.pods(aPod({ labels: app, nodeName, ...pod }));
  return world;
}

/** Nodes that take the pod, and the reasons of the others. */
function fitting(pod: Pod, world: PluginWorld, plugin = world.plugin(podTopologySpread)): string[] {
  const { reasons } = filterAll(plugin, pod, world);
  return Object.keys(reasons)
    .filter(name => reasons[name] === undefined)
    .sort();
}

test.each<[string, Pod, PluginWorld, string[]]>([
  ['nobody there', spreading(over('zone')), aWorld(), ['a1', 'a2', 'b1']],
  ['one zone has more', spreading(over('zone')), aWorld({ a1: 1 }), ['b1']],
  ['within the skew', spreading(over('zone', { maxSkew: 2 })), aWorld({ a1: 1 }), ['a1', 'a2', 'b1']],
  ['the node with more, too, as its zone has less', spreading(over('zone')), aWorld({ a1: 1, b1: 2 }), ['a1', 'a2']],
  ['by host', spreading(over(HOSTNAME)), aWorld({ a1: 1, b1: 1 }), ['a2', 'bare']],
  ['by zone and host', spreading(over('zone'), over(HOSTNAME)), aWorld({ a1: 1, b1: 1 }), ['a2']],
  ['pods of others', spreading(over('zone')), aWorld({ a1: 3 }, { labels: { app: 'b' } }), ['a1', 'a2', 'b1']],
  ['pods of another namespace', spreading(over('zone')), aWorld({ a1: 3 }, { namespace: 'x' }), ['a1', 'a2', 'b1']],
  ['pods that are going', spreading(over('zone')), aWorld({ a1: 3 }, { terminating: true }), ['a1', 'a2', 'b1']],
  [
    'a selector that matches nobody',
    spreading(over('zone', { labelSelector: undefined })),
    aWorld({ a1: 3 }),
    ['a1', 'a2', 'b1'],
  ],
  [
    'a selector that does not mean the pod itself',
    aPod({ topologySpreadConstraints: [over('zone')] }),
    aWorld({ a1: 1 }),
    ['a1', 'a2', 'b1'],
  ],
  ['fewer domains than wanted', spreading(over('zone', { minDomains: 3 })), aWorld({ a1: 1, b1: 1 }), []],
  [
    'as many domains as wanted',
    spreading(over('zone', { minDomains: 2 })),
    aWorld({ a1: 1, b1: 1 }),
    ['a1', 'a2', 'b1'],
  ],
])('PodTopologySpread: %s', (_name, pod, world, want) => {
  expect(fitting(pod, world)).toEqual(want);
});

test('PodTopologySpread says why', () => {
  const { reasons } = filterAll(aWorld().plugin(podTopologySpread), spreading(over('zone')), aWorld());
  expect(reasons['bare']).toBe(NO_LABEL);
  const world = aWorld({ a1: 1 });
  expect(filterAll(world.plugin(podTopologySpread), spreading(over('zone')), world).reasons['a1']).toBe(TOO_UNEVEN);
});

test.each<[string, Partial<TopologySpreadConstraint>, string[]]>([
  ['honoured by default: only zone a counts', {}, ['a1', 'a2', 'b1']],
  ['ignored', { nodeAffinityPolicy: 'Ignore' }, ['b1']],
])('PodTopologySpread: the node selector is %s', (_name, more, want) => {
  const world = aWorld({ a1: 2 });
  const pod = { ...spreading(over('zone', { maxSkew: 2, ...more })) };
  pod.spec.nodeSelector = { zone: 'a' };
  expect(fitting(pod, world)).toEqual(want);
});

test.each<[string, Partial<TopologySpreadConstraint>, string[]]>([
  ['ignored by default: zone b is the least', {}, ['b1']],
  ['honoured: zone b does not count', { nodeTaintsPolicy: 'Honor' }, ['a1', 'a2', 'b1']],
])('PodTopologySpread: taints are %s', (_name, more, want) => {
  const world = aWorld({ a1: 1 });
  world.nodes(aNode('b1', { labels: { zone: 'b' }, taints: [{ key: 'k', effect: 'NoSchedule' }] }));
  expect(fitting(spreading(over('zone', more)), world)).toEqual(want);
});

test('PodTopologySpread: matchLabelKeys tell the revisions of a workload apart', () => {
  const world = aWorld({ a1: 2 }, { labels: { ...app, hash: 'old' } });
  const constraint = over('zone', { matchLabelKeys: ['hash', 'absent'] });
  const pod = aPod({ labels: { ...app, hash: 'new' }, topologySpreadConstraints: [constraint] });
  expect(fitting(pod, world)).toEqual(['a1', 'a2', 'b1']);
  expect(fitting(spreading(constraint), world)).toEqual(['b1']);
});

test('PodTopologySpread prefers where fewer are, and a narrow topology is not watered down by a wide one', () => {
  const world = aWorld({ a1: 2, a2: 1, b1: 1 });
  const plugin = world.plugin(podTopologySpread);
  expect(scoreAll(plugin, spreading(softly('zone')), world)).toEqual({ a1: 25, a2: 25, b1: 100, bare: 0 });
  expect(scoreAll(plugin, spreading(softly(HOSTNAME)), world)).toEqual({ a1: 0, a2: 50, b1: 50, bare: 100 });
  // 3 ln 4 + 2 ln 5, 3 ln 4 + ln 5, ln 4 + ln 5, rounded.
  const both = spreading(softly('zone'), softly(HOSTNAME));
  expect(scoreAll(plugin, both, world, true)).toEqual({ a1: 7, a2: 6, b1: 3, bare: -1 });
  expect(scoreAll(plugin, spreading(softly('zone', { maxSkew: 5 })), world, true)).toMatchObject({ a1: 8, b1: 5 });
  const empty = aWorld();
  const scores = scoreAll(empty.plugin(podTopologySpread), spreading(softly('zone')), empty);
  expect(scores).toEqual({ a1: 100, a2: 100, b1: 100, bare: 0 });
});

test('PodTopologySpread has nothing to say of pods that belong to nothing', () => {
  const world = aWorld({ a1: 3 });
  const plugin = world.plugin(podTopologySpread);
  expect(filterAll(plugin, aPod({ labels: app }), world).preFilter).toBe('skip');
  expect(scoreAll(plugin, aPod({ labels: app }), world)).toBe('skip');
  expect(filterAll(plugin, spreading(softly('zone')), world).preFilter).toBe('skip');
  expect(scoreAll(plugin, spreading(over('zone')), world)).toBe('skip');
});

const owned = (kind: string, labels = app): Pod => {
  const pod = aPod({ labels });
  pod.metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind, name: 'owner', uid: 'o', controller: true }];
  return pod;
};
const selector = { matchLabels: app };
const metadata = { namespace: 'default', name: 'owner' };
const OWNERS: Readonly<Record<string, (world: PluginWorld) => void>> = {
  'a service': world => world.put(services, { metadata, spec: { selector: app } }),
  'its ReplicaSet': world => world.put(replicaSets, { metadata, spec: { selector } } as never),
  'its StatefulSet': world => world.put(statefulSets, { metadata, spec: { selector } } as never),
};

test.each([
  ['a service', aPod({ labels: app })],
  ['its ReplicaSet', owned('ReplicaSet')],
  ['its StatefulSet', owned('StatefulSet')],
])('PodTopologySpread spreads pods by default that are selected by %s', (owner, pod) => {
  const world = aWorld({ a1: 2 });
  for (const { node } of world.cluster.nodes) {
    const { zone, ...labels } = node.metadata.labels ?? {};
    const named = zone === undefined ? labels : { ...labels, 'topology.kubernetes.io/zone': zone };
    world.nodes({ ...node, metadata: { ...node.metadata, labels: named } });
  }
  OWNERS[owner]?.(world);
  const plugin = world.plugin(podTopologySpread);
  // By host 2 ln 6 + 2, 2, 2, 2; by zone 2 ln 5 + 4, 2 ln 5 + 4, 4, none: nobody turns away from a node without a zone.
  expect(scoreAll(plugin, pod, world, true)).toEqual({ a1: 13, a2: 9, b1: 6, bare: 2 });
  expect(scoreAll(plugin, pod, world)).toEqual({ a1: 15, a2: 46, b1: 69, bare: 100 });
  expect(filterAll(plugin, pod, world).preFilter).toBe('skip');
  expect(scoreAll(plugin, aPod({ labels: { app: 'b' } }), world)).toBe('skip');
});

test("PodTopologySpread holds pods to the profile's own constraints", () => {
  const world = aWorld({ a1: 1 });
  world.put(services, { metadata, spec: { selector: app } });
  const listed = (...defaultConstraints: TopologySpreadConstraint[]): Plugin =>
    world.plugin(podTopologySpread, { defaultingType: 'List', defaultConstraints } satisfies PodTopologySpreadArgs);
  const pod = aPod({ labels: app });
  expect(fitting(pod, world, listed(over('zone', { labelSelector: undefined })))).toEqual(['b1']);
  expect(fitting(pod, world, listed())).toEqual(['a1', 'a2', 'b1', 'bare']);
  expect(scoreAll(listed(softly('zone', { labelSelector: undefined })), pod, world)).toMatchObject({
    a1: 0,
    b1: 100,
    bare: 0,
  });
  expect(scoreAll(listed(), pod, world)).toBe('skip');
});

test.each<[string, PodTopologySpreadArgs, string]>([
  [
    'type',
    { defaultingType: 'Some' },
    'args.defaultingType: Unsupported value: "Some": supported values: "System", "List"',
  ],
  [
    'list',
    { defaultConstraints: [over('zone')] },
    'args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty',
  ],
  [
    'selector',
    { defaultingType: 'List', defaultConstraints: [over('zone')] },
    'constraint must not define a selector, as they deduced for each pod',
  ],
])('PodTopologySpread refuses a wrong %s', (_name, args, want) => {
  expect(() => aWorld().plugin(podTopologySpread, args)).toThrow(want);
});

const inZone = (zone: string | undefined, more: Partial<Node['spec']> = {}): Node =>
  aNode('n', { ...(zone === undefined ? {} : { labels: { zone } }), ...more });
const theirs = aPod({ labels: app, nodeName: 'n' });
const relabelled = (pod: Pod, labels: Labels): Pod => ({ ...pod, metadata: { ...pod.metadata, labels } });
const tainted = { taints: [{ key: 'k', effect: 'NoSchedule' }] };

test.each([
  ['a pod that counts comes', podComes(theirs), true],
  ['a pod that does not count comes', podComes(relabelled(theirs, { app: 'b' })), false],
  ['a pod of another namespace comes', podComes(aPod({ namespace: 'x', labels: app, nodeName: 'n' })), false],
  ['a pod that counts goes', podGoes(theirs), true],
  ['a pod that does not count goes', podGoes(relabelled(theirs, { app: 'b' })), false],
  ['a pod comes to count', updateOf(relabelled(theirs, {}), theirs), true],
  ["a pod's other labels change", updateOf(theirs, relabelled(theirs, { ...app, x: 'y' })), false],
  ['a node with a zone comes', nodeComes(inZone('c')), true],
  ['a node without a zone comes', nodeComes(inZone(undefined)), false],
  ['a node with a zone goes', nodeGoes(inZone('c')), true],
  ['a node without a zone goes', nodeGoes(inZone(undefined)), false],
  ['a node gets a zone', updateOf(inZone(undefined), inZone('c')), true],
  ['a node changes its zone', updateOf(inZone('a'), inZone('c')), true],
  ['a node gets another label', updateOf(inZone('a'), aNode('n', { labels: { zone: 'a', x: 'y' } })), false],
  ['a node loses its taint', updateOf(inZone('a', tainted), inZone('a')), true],
])('PodTopologySpread tries again when %s: %p', (_name, change, want) => {
  expect(wakes(aWorld().plugin(podTopologySpread), spreading(over('zone')), change)).toBe(want);
});

test('PodTopologySpread tries again for the own tolerations where taints are honoured', () => {
  const plugin = aWorld().plugin(podTopologySpread);
  for (const nodeTaintsPolicy of ['Honor', 'Ignore']) {
    const pod = spreading(over('zone', { nodeTaintsPolicy }));
    const tolerant = { ...pod, spec: { ...pod.spec, tolerations: [{ operator: 'Exists' }] } };
    expect(wakes(plugin, pod, updateOf(pod, tolerant))).toBe(nodeTaintsPolicy === 'Honor');
  }
});

test('a decision matches no more selectors with many placed pods than with few', () => {
  const matchings = (placed: number): number => {
    const world = aWorld();
    for (let i = 0; i < placed; i++)
      world.nodes(aNode(`n${i}`, { labels: { zone: `z${i % 3}` } })).pods(aPod({ labels: app, nodeName: `n${i}` }));
    const plugin = world.plugin(podTopologySpread);
    const pod = (): Pod => spreading(over('zone', { maxSkew: 9 }), softly(HOSTNAME));
    const decide = (): void => {
      filterAll(plugin, pod(), world);
      scoreAll(plugin, pod(), world);
    };
    decide();
    const spy = jest.spyOn(LabelSelector.prototype, 'matches');
    try {
      for (let i = 0; i < 10; i++) {
        world.pods(aPod({ labels: app, nodeName: `n${i}` }));
        decide();
      }
      return spy.mock.calls.length;
    } finally {
      spy.mockRestore();
    }
  };
  const few = matchings(20);
  expect(few).toBeGreaterThan(0);
  expect(matchings(500)).toBe(few);
});
