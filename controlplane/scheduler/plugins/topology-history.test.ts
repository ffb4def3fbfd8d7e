/** PodTopologySpread and InterPodAffinity answer from indexes; here they are held against looking at everything, for random clusters and histories. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Pod, PodAffinityTerm, PodSpec, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';
import type { LabelSelector } from '../../../proto/api/meta-v1.ts';
import { CycleState } from '../framework/cycle-state.ts';
import type { Plugin } from '../framework/framework.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import {
  naiveAffinity,
  naiveAffinityScore,
  naiveSpread,
  naiveSpreadScore,
  type Place,
} from './testdata/naive-topology.ts';
import { aNode, aPod, filterAll, PluginWorld, scoreAll, type Labels } from './testdata/plugin-world.ts';

const HARD_WEIGHT = 5;
const NAMESPACES = { a: { team: 'x' }, b: { team: 'y' } };
const KEYS = ['zone', 'kubernetes.io/hostname', 'rack'];

/** Some members may be undefined, which is as good as absent. */
type Loose<T> = { [K in keyof T]: T[K] | undefined };

const labels = fc.dictionary<string, string>(fc.constantFrom('app', 'tier'), fc.constantFrom('1', '2'), { maxKeys: 2 });
const selector: fc.Arbitrary<LabelSelector | undefined> = fc.oneof(
  fc.constant(undefined),
  labels.map(matchLabels => ({ matchLabels })),
  fc
    .tuple(fc.constantFrom('app', 'tier'), fc.constantFrom('In', 'NotIn'))
    .map(([key, operator]) => ({ matchExpressions: [{ key, operator, values: ['1'] }] })),
  fc.constant<LabelSelector>({ matchExpressions: [{ key: 'app', operator: 'Exists' }] }),
);
const term = fc.record<Loose<PodAffinityTerm>>({
  topologyKey: fc.constantFrom(...KEYS),
  labelSelector: selector,
  namespaces: fc.constantFrom(undefined, ['a'], ['a', 'b']),
  namespaceSelector: fc.constantFrom(undefined, undefined, {}, { matchLabels: { team: 'x' } }),
});
const terms = fc.record({
  requiredDuringSchedulingIgnoredDuringExecution: fc.array(term, { maxLength: 2 }),
  preferredDuringSchedulingIgnoredDuringExecution: fc.array(
    fc.record({ podAffinityTerm: term, weight: fc.integer({ min: 1, max: 100 }) }),
    { maxLength: 2 },
  ),
});
const affinity = fc.oneof(
  fc.constant(undefined),
  fc.record({
    podAffinity: fc.option(terms, { nil: undefined }),
    podAntiAffinity: fc.option(terms, { nil: undefined }),
  }),
);
const constraint = fc.record<Loose<TopologySpreadConstraint>>({
  maxSkew: fc.integer({ min: 1, max: 2 }),
  topologyKey: fc.constantFrom(...KEYS),
  whenUnsatisfiable: fc.constantFrom('DoNotSchedule', 'ScheduleAnyway'),
  labelSelector: selector,
  minDomains: fc.constantFrom(undefined, 3),
  nodeAffinityPolicy: fc.constantFrom(undefined, 'Ignore'),
  nodeTaintsPolicy: fc.constantFrom(undefined, 'Honor'),
});
const podShape = fc.record({
  namespace: fc.constantFrom('a', 'b'),
  labels: fc.option(labels, { nil: undefined }),
  affinity,
  topologySpreadConstraints: fc.array(constraint, { maxLength: 2 }),
  nodeSelector: fc.constantFrom(undefined, undefined, { rack: 'r1' }),
});

interface World {
  readonly world: PluginWorld;
  readonly spread: Plugin;
  readonly near: Plugin;
  places(): Place[];
}

function aWorld(): World {
  const world = new PluginWorld();
  for (const [name, each] of Object.entries(NAMESPACES)) world.namespace(name, each);
  return {
    world,
    spread: world.plugin(podTopologySpread),
    near: world.plugin(interPodAffinity, { hardPodAffinityWeight: HARD_WEIGHT }),
    places: () => world.cluster.nodes.map(({ node, pods }) => ({ node, pods: [...pods.values()] })),
  };
}

function check({ world, spread, near, places }: World, pod: Pod): void {
  const all = places();
  const expected = (reasonOn: (place: Place) => string | undefined): Record<string, string | undefined> =>
    Object.fromEntries(all.map(place => [place.node.metadata.name ?? '', reasonOn(place)]));
  expect(filterAll(spread, pod, world).reasons).toEqual(expected(({ node }) => naiveSpread(pod, node, all)));
  expect(filterAll(near, pod, world).reasons).toEqual(
    expected(({ node }) => naiveAffinity(pod, node, all, NAMESPACES)),
  );
  const compareScores = (plugin: Plugin, scoreOn: (place: Place) => number): void => {
    const scores = scoreAll(plugin, pod, world, true);
    if (scores !== 'skip')
      expect(scores).toEqual(Object.fromEntries(all.map(place => [place.node.metadata.name ?? '', scoreOn(place)])));
  };
  compareScores(spread, ({ node }) => naiveSpreadScore(pod, node, all));
  compareScores(near, ({ node }) => naiveAffinityScore(pod, node, all, NAMESPACES, HARD_WEIGHT));
}

/** What if one pod of a node were gone, and another came: on a clone of the state, as preemption asks. */
function checkTrial({ world, spread, near, places }: World, pod: Pod, guest: Pod): void {
  const info = world.cluster.nodes.find(({ pods }) => pods.size > 0);
  const victim = info?.pods.values().next().value;
  if (info === undefined || victim === undefined) return;
  const changed = info.clone();
  changed.removePod(victim.metadata.uid ?? '');
  changed.addPod(guest);
  const after = places().map(place =>
    place.node === info.node ? { node: place.node, pods: [...changed.pods.values()] } : place,
  );
  for (const [plugin, naive] of [
    [spread, naiveSpread(pod, info.node, after)],
    [near, naiveAffinity(pod, info.node, after, NAMESPACES)],
  ] as const) {
    const state = new CycleState();
    if (plugin.preFilter?.(state, pod, world.cluster) === 'skip') continue;
    const untouched = plugin.filter?.(state, pod, info)?.[0]?.reason;
    const trial = state.clone();
    plugin.removePod?.(trial, pod, victim, changed);
    plugin.addPod?.(trial, pod, guest, changed);
    expect(plugin.filter?.(trial, pod, changed)?.[0]?.reason).toBe(naive);
    expect(plugin.filter?.(state, pod, info)?.[0]?.reason).toBe(untouched);
  }
}

const node = fc.record({
  labels: fc.record({
    zone: fc.constantFrom('z1', 'z2', 'z3'),
    rack: fc.constantFrom('r1', undefined as unknown as string),
  }),
  taints: fc.constantFrom([], [{ key: 'k', effect: 'NoSchedule' }]),
});
type Shape = Partial<PodSpec> & { namespace: string; labels?: Labels | undefined };
type Step =
  | { readonly kind: 'node'; readonly name: string; readonly shape: { labels: Labels; taints: never[] } }
  | { readonly kind: 'noNode'; readonly name: string }
  | {
      readonly kind: 'place';
      readonly uid: number;
      readonly on: string;
      readonly shape: Shape;
      readonly terminating: boolean;
    }
  | { readonly kind: 'relabel'; readonly uid: number; readonly labels: Labels }
  | { readonly kind: 'remove'; readonly uid: number };
const name = fc.constantFrom('n1', 'n2', 'n3', 'n4', 'n5');
const uid = fc.integer({ min: 0, max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('node' as const), name, shape: node as fc.Arbitrary<never> }),
  fc.record({ kind: fc.constant('noNode' as const), name }),
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('place' as const),
      uid,
      on: name,
      shape: podShape as fc.Arbitrary<Shape>,
      terminating: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constant('relabel' as const), uid, labels }),
  fc.record({ kind: fc.constant('remove' as const), uid }),
);

function take({ world: { cluster } }: World, change: Step): void {
  switch (change.kind) {
    case 'node':
      return cluster.setNode(aNode(change.name, change.shape));
    case 'noNode':
      return cluster.removeNode(change.name);
    case 'place': {
      const { uid: number, shape, terminating, on } = change;
      return cluster.setPod(aPod({ ...shape, terminating, name: `${number}`, nodeName: on }), on);
    }
    case 'relabel': {
      const known = cluster.nodes.flatMap(({ pods }) => pods.get(`uid-${change.uid}`) ?? [])[0];
      if (known === undefined) return;
      const metadata = { ...known.metadata, labels: change.labels };
      return cluster.setPod({ ...known, metadata }, known.spec.nodeName ?? '');
    }
    case 'remove':
      return void cluster.removePod(`uid-${change.uid}`);
  }
}

test('indexed answers are those of a full scan, whatever comes and goes', () => {
  const shape = podShape as fc.Arbitrary<Shape>;
  // The same is asked again and again, and something new each time.
  const round = fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 6 }), fresh: shape });
  fc.assert(
    fc.property(shape, shape, fc.array(round, { maxLength: 6 }), (one, two, history) => {
      const world = aWorld();
      world.world.nodes(aNode('n1', { labels: { zone: 'z1', rack: 'r1' } }), aNode('n2', { labels: { zone: 'z2' } }));
      for (const { steps, fresh } of history) {
        for (const each of steps) take(world, each);
        for (const asked of [one, two, fresh]) check(world, aPod(asked));
        checkTrial(world, aPod(one), aPod(two));
      }
    }),
    { numRuns: 80 },
  );
});
