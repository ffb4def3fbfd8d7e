import { expect, jest, test } from '@jest/globals';
import { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Namespace, Pod, PodAffinityTerm, PodSpec } from '../../../proto/api/core-v1.ts';
import type { InterPodAffinityArgs } from '../../../proto/api/kube-scheduler-config-v1.ts';
import type { ClusterChange } from '../queue/cluster-change.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import {
  aNode,
  aPod,
  filterAll,
  nodeComes,
  PluginWorld,
  podComes,
  podGoes,
  scoreAll,
  updateOf,
  wakes,
  type Labels,
} from './testdata/plugin-world.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const NOT_NEAR = "node(s) didn't match pod affinity rules";
const NOT_APART = "node(s) didn't match pod anti-affinity rules";
const REFUSED = "node(s) didn't satisfy existing pods anti-affinity rules";

type Affinity = NonNullable<PodSpec['affinity']>;

const term = (app: string, topologyKey = 'zone', more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  topologyKey,
  labelSelector: { matchLabels: { app } },
  ...more,
});
const near = (...terms: PodAffinityTerm[]): Affinity => ({
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const apart = (...terms: PodAffinityTerm[]): Affinity => ({
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
});
const rather = (
  kind: 'podAffinity' | 'podAntiAffinity',
  weight: number,
  podAffinityTerm: PodAffinityTerm,
): Affinity => ({
  [kind]: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] },
});
const labelled = (
  app: string,
  affinity?: Affinity,
  more: { nodeName?: string; namespace?: string; name?: string } = {},
): Pod => aPod({ labels: { app }, affinity, ...more });

/** Nodes a1 and a2 in zone a, b1 in zone b, and `bare` without a zone. */
function aWorld(...pods: Pod[]): PluginWorld {
  const world = new PluginWorld().nodes(
    aNode('a1', { labels: { zone: 'a' } }),
    aNode('a2', { labels: { zone: 'a' } }),
    aNode('b1', { labels: { zone: 'b' } }),
    aNode('bare'),
  );
  world.namespace('default', { team: 'x' });
  world.namespace('other', { team: 'y' });
  return world.pods(...pods);
}

const onA1 = (app: string, affinity?: Affinity, namespace = 'default'): Pod =>
  labelled(app, affinity, { nodeName: 'a1', namespace });
const all = (reason: string | undefined) => ({ a1: reason, a2: reason, b1: reason, bare: reason });

test.each<[string, Pod, Pod[], Record<string, string | undefined>]>([
  [
    'near a pod, by zone',
    labelled('x', near(term('s'))),
    [onA1('s')],
    { a1: undefined, a2: undefined, b1: NOT_NEAR, bare: NOT_NEAR },
  ],
  ['near a pod, by host', labelled('x', near(term('s', HOSTNAME))), [onA1('s')], { ...all(NOT_NEAR), a1: undefined }],
  ['near nobody', labelled('x', near(term('s'))), [onA1('t')], all(NOT_NEAR)],
  [
    'near a pod elsewhere by its namespace',
    labelled('x', near(term('s'))),
    [onA1('s', undefined, 'other')],
    all(NOT_NEAR),
  ],
  ['the first of its kind', labelled('s', near(term('s'))), [], { ...all(undefined), bare: NOT_NEAR }],
  [
    'not the first of its kind',
    labelled('s', near(term('s'))),
    [onA1('s')],
    { a1: undefined, a2: undefined, b1: NOT_NEAR, bare: NOT_NEAR },
  ],
  [
    'near a pod that is all it wants',
    labelled('x', near(term('s'), { topologyKey: 'zone', labelSelector: {} })),
    [onA1('s')],
    { a1: undefined, a2: undefined, b1: NOT_NEAR, bare: NOT_NEAR },
  ],
  [
    'near two pods that are half of it each',
    labelled('x', near(term('s'), term('t'))),
    [onA1('s'), onA1('t')],
    all(NOT_NEAR),
  ],
  [
    'away from a pod, by zone',
    labelled('x', apart(term('s'))),
    [onA1('s')],
    { a1: NOT_APART, a2: NOT_APART, b1: undefined, bare: undefined },
  ],
  [
    'away from a pod, by host',
    labelled('x', apart(term('s', HOSTNAME))),
    [onA1('s')],
    { ...all(undefined), a1: NOT_APART },
  ],
  [
    'away from one of two',
    labelled('x', apart(term('s'), term('t', HOSTNAME))),
    [onA1('t')],
    { ...all(undefined), a1: NOT_APART },
  ],
  [
    'refused by a pod',
    labelled('s'),
    [onA1('x', apart(term('s')))],
    { a1: REFUSED, a2: REFUSED, b1: undefined, bare: undefined },
  ],
  ['not meant by a pod', labelled('t'), [onA1('x', apart(term('s')))], all(undefined)],
  ['not meant by a pod of another namespace', labelled('s'), [onA1('x', apart(term('s')), 'other')], all(undefined)],
  [
    'refused from another namespace by name',
    labelled('s'),
    [onA1('x', apart(term('s', 'zone', { namespaces: ['default'] })), 'other')],
    { a1: REFUSED, a2: REFUSED, b1: undefined, bare: undefined },
  ],
  [
    'refused from another namespace by its labels',
    labelled('s'),
    [onA1('x', apart(term('s', 'zone', { namespaceSelector: { matchLabels: { team: 'x' } } })), 'other')],
    { a1: REFUSED, a2: REFUSED, b1: undefined, bare: undefined },
  ],
  [
    'near a pod of a namespace by its labels',
    labelled('x', near(term('s', HOSTNAME, { namespaceSelector: { matchLabels: { team: 'y' } } }))),
    [onA1('s', undefined, 'other')],
    { ...all(NOT_NEAR), a1: undefined },
  ],
  [
    'near a pod of any namespace',
    labelled('x', near(term('s', HOSTNAME, { namespaceSelector: {} }))),
    [onA1('s', undefined, 'other')],
    { ...all(NOT_NEAR), a1: undefined },
  ],
  [
    'a selector of nobody',
    labelled('x', apart(term('s', HOSTNAME, { labelSelector: undefined }))),
    [onA1('s')],
    all(undefined),
  ],
])('InterPodAffinity: %s', (_name, pod, pods, want) => {
  const world = aWorld(...pods);
  expect(filterAll(world.plugin(interPodAffinity), pod, world).reasons).toEqual(want);
});

test('InterPodAffinity: only what others could change is worth preemption', () => {
  const world = aWorld(onA1('s'), onA1('x', apart(term('r'))));
  const plugin = world.plugin(interPodAffinity);
  const unresolvable = (pod: Pod): boolean | undefined => filterAll(plugin, pod, world).unresolvable['a1'];
  expect(unresolvable(labelled('x', near(term('nobody'))))).toBe(true);
  expect(unresolvable(labelled('y', apart(term('s'))))).toBe(false);
  expect(unresolvable(labelled('r'))).toBe(false);
});

test.each<[string, Pod, Pod[], 'skip' | Record<string, number>]>([
  ['nobody prefers anything', labelled('x'), [onA1('s')], 'skip'],
  [
    'the pod would be near',
    labelled('x', rather('podAffinity', 5, term('s'))),
    [onA1('s')],
    { a1: 100, a2: 100, b1: 0, bare: 0 },
  ],
  [
    'the pod would be apart',
    labelled('x', rather('podAntiAffinity', 5, term('s'))),
    [onA1('s')],
    { a1: 0, a2: 0, b1: 100, bare: 100 },
  ],
  [
    'a placed pod would have it near',
    labelled('s'),
    [onA1('x', rather('podAffinity', 5, term('s', HOSTNAME)))],
    { a1: 100, a2: 0, b1: 0, bare: 0 },
  ],
  [
    'a placed pod would have it apart',
    labelled('s'),
    [onA1('x', rather('podAntiAffinity', 5, term('s')))],
    { a1: 0, a2: 0, b1: 100, bare: 100 },
  ],
  ['a placed pod had to be near it', labelled('s'), [onA1('x', near(term('s')))], { a1: 100, a2: 100, b1: 0, bare: 0 }],
  [
    'weights add up',
    labelled('s', { ...rather('podAffinity', 30, term('t', HOSTNAME)), ...rather('podAntiAffinity', 10, term('u')) }),
    [onA1('t'), onA1('u'), labelled('t', undefined, { nodeName: 'b1' })],
    { a1: 75, a2: 0, b1: 100, bare: 25 },
  ],
])('InterPodAffinity scores: %s', (_name, pod, pods, want) => {
  const world = aWorld(...pods);
  expect(scoreAll(world.plugin(interPodAffinity), pod, world)).toEqual(want);
});

test('InterPodAffinity takes its arguments', () => {
  const hard = aWorld(
    onA1('x', near(term('s'))),
    labelled('x', rather('podAffinity', 10, term('s')), { nodeName: 'b1' }),
  );
  const score = (args: InterPodAffinityArgs): unknown =>
    scoreAll(hard.plugin(interPodAffinity, args), labelled('s'), hard, true);
  expect(score({})).toMatchObject({ a1: 1, b1: 10 });
  expect(score({ hardPodAffinityWeight: 20 })).toMatchObject({ a1: 20, b1: 10 });
  expect(score({ hardPodAffinityWeight: 0 })).toMatchObject({ a1: 0, b1: 10 });
  expect(score({ ignorePreferredTermsOfExistingPods: true })).toBe('skip');
  expect(() => hard.plugin(interPodAffinity, { hardPodAffinityWeight: 101 })).toThrow(
    'args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]',
  );
});

test('InterPodAffinity: a placed pod with a term that cannot be read harms nobody', () => {
  const matchExpressions = [{ key: 'app', operator: 'Sideways', values: ['s'] }];
  const world = aWorld(onA1('x', apart(term('s', 'zone', { labelSelector: { matchExpressions } }), term('t'))));
  const plugin = world.plugin(interPodAffinity);
  expect(filterAll(plugin, labelled('s'), world).reasons).toEqual(all(undefined));
  expect(filterAll(plugin, labelled('t'), world).reasons).toMatchObject({ a1: REFUSED });
});

test('InterPodAffinity has nothing to say where nobody asks for anything', () => {
  const world = aWorld(onA1('s'), onA1('x', apart(term('t'))));
  const plugin = world.plugin(interPodAffinity);
  expect(filterAll(plugin, labelled('s'), world).preFilter).toBe('skip');
  expect(filterAll(plugin, labelled('t'), world).preFilter).toBeUndefined();
});

const elsewhere = (labels: Labels): Pod => ({ ...onA1('s'), metadata: { ...onA1('s').metadata, uid: 'u', labels } });
const teamX = term('s', 'zone', { namespaceSelector: { matchLabels: { team: 'x' } } });
const namespace = (name: string, team: string): Namespace => ({ metadata: { name, labels: { team } }, spec: {} });
const namespaceChanges = (older: Namespace, newer: Namespace): ClusterChange => ({
  resource: 'Namespace',
  actions: ['Update'],
  older,
  newer,
});

test.each<[string, Pod, ClusterChange, boolean]>([
  ['a friend comes', labelled('x', near(term('s'))), podComes(onA1('s')), true],
  ['a stranger comes', labelled('x', near(term('s'))), podComes(onA1('t')), false],
  ['half a friend comes', labelled('x', near(term('s'), term('t'))), podComes(onA1('s')), false],
  ['a pod becomes a friend', labelled('x', near(term('s'))), updateOf(elsewhere({}), elsewhere({ app: 's' })), true],
  ['a friend goes', labelled('x', near(term('s'))), podGoes(onA1('s')), false],
  ['the last friend of a first goes', labelled('s', near(term('s'))), podGoes(onA1('s')), true],
  ['a foe goes', labelled('x', apart(term('s'))), podGoes(onA1('s')), true],
  ['one foe of two goes', labelled('x', apart(term('s'), term('t'))), podGoes(onA1('s')), true],
  ['a foe comes', labelled('x', apart(term('s'))), podComes(onA1('s')), false],
  ['a stranger goes', labelled('x', apart(term('s'))), podGoes(onA1('t')), false],
  ['a foe becomes a stranger', labelled('x', apart(term('s'))), updateOf(elsewhere({ app: 's' }), elsewhere({})), true],
  ['who refused it goes', labelled('s'), podGoes(onA1('x', apart(term('s')))), true],
  ['who refused another goes', labelled('t'), podGoes(onA1('x', apart(term('s')))), false],
  [
    'a node with the topology comes',
    labelled('x', near(term('s'))),
    nodeComes(aNode('n', { labels: { zone: 'a' } })),
    true,
  ],
  ['a node without comes', labelled('x', near(term('s'))), nodeComes(aNode('n')), false],
  ['a node without comes, to be apart on', labelled('x', apart(term('s'))), nodeComes(aNode('n')), true],
  [
    'a node gets its label',
    labelled('x', near(term('s'))),
    updateOf(aNode('n'), aNode('n', { labels: { zone: 'a' } })),
    true,
  ],
  [
    'a namespace comes to be meant',
    labelled('x', near(teamX)),
    namespaceChanges(namespace('n', 'y'), namespace('n', 'x')),
    true,
  ],
  [
    'a namespace nobody means changes',
    labelled('x', near(term('s'))),
    namespaceChanges(namespace('n', 'y'), namespace('n', 'x')),
    false,
  ],
])('InterPodAffinity tries again when %s: %p', (_name, pod, change, want) => {
  expect(wakes(aWorld().plugin(interPodAffinity), pod, change)).toBe(want);
});

test('InterPodAffinity tries again when the labels of the pod itself change', () => {
  const pod = labelled('s', apart(term('s')));
  const changed = { ...pod, metadata: { ...pod.metadata, labels: { app: 't' } } };
  expect(wakes(aWorld().plugin(interPodAffinity), pod, updateOf(pod, changed))).toBe(true);
  expect(wakes(aWorld().plugin(interPodAffinity), labelled('s', apart(term('s'))), updateOf(pod, changed))).toBe(false);
});

test('a decision matches no more selectors with many placed pods than with few', () => {
  const matchings = (placed: number): number => {
    const world = aWorld();
    for (let i = 0; i < placed; i++) {
      world.nodes(aNode(`n${i}`, { labels: { zone: `z${i % 3}` } }));
      world.pods(labelled('s', apart(term('s', HOSTNAME)), { nodeName: `n${i}` }));
    }
    const plugin = world.plugin(interPodAffinity);
    const pod = (): Pod => labelled('s', { ...apart(term('s', HOSTNAME)), ...rather('podAffinity', 1, term('s')) });
    filterAll(plugin, pod(), world);
    scoreAll(plugin, pod(), world);
    const spy = jest.spyOn(LabelSelector.prototype, 'matches');
    try {
      for (let i = 0; i < 10; i++) {
        world.pods(labelled('s', apart(term('s', HOSTNAME)), { nodeName: `n${i}` }));
        filterAll(plugin, pod(), world);
        scoreAll(plugin, pod(), world);
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
