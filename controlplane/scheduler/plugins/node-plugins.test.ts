/** The plugins that look at the node itself: name, ports, cordon, taints, labels, images; and those around the queue. */
import { expect, test } from '@jest/globals';
import type { ContainerPort, NodeAffinity, Pod, Taint, Toleration } from '../../../proto/api/core-v1.ts';
import type { Plugin, QueuedPod } from '../framework/framework.ts';
import { imageLocality } from './image-locality.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { prioritySort } from './priority-sort.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';
import {
  aNode,
  aPod,
  filterAll,
  nodeComes,
  PluginWorld,
  podGoes,
  scoreAll,
  updateOf,
  wakes,
  type Labels,
} from './testdata/plugin-world.ts';

const MIB = 1024 * 1024;

/** Why the plugin turns the only node down. */
function reason(plugin: Plugin, pod: Pod, world: PluginWorld): string | undefined {
  return Object.values(filterAll(plugin, pod, world).reasons)[0];
}

test.each([
  ['', undefined],
  ['n', undefined],
  ['m', "node(s) didn't match the requested node name"],
])('NodeName: %p', (wanted, want) => {
  expect(reason(nodeName, aPod({ nodeName: wanted }), new PluginWorld().nodes(aNode('n')))).toBe(want);
});

test('NodeName waits for its node', () => {
  const pod = aPod({ nodeName: 'm' });
  expect(wakes(nodeName, pod, nodeComes(aNode('m')))).toBe(true);
  expect(wakes(nodeName, pod, nodeComes(aNode('n')))).toBe(false);
});

const withPorts = (...ports: Partial<ContainerPort>[]): Pod =>
  aPod({ nodeName: 'n', containers: [{ name: 'c', ports: ports.map(port => ({ containerPort: 1, ...port })) }] });

test.each([
  ['no host port', [{}], [{ hostPort: 80 }], false],
  ['another port', [{ hostPort: 81 }], [{ hostPort: 80 }], false],
  ['the same', [{ hostPort: 80 }], [{ hostPort: 80 }], true],
  ['another protocol', [{ hostPort: 80, protocol: 'UDP' }], [{ hostPort: 80 }], false],
  ['other addresses', [{ hostPort: 80, hostIP: '10.0.0.1' }], [{ hostPort: 80, hostIP: '10.0.0.2' }], false],
  ['one of all addresses', [{ hostPort: 80, hostIP: '10.0.0.1' }], [{ hostPort: 80, hostIP: '0.0.0.0' }], true],
  ['one of several', [{ hostPort: 81 }, { hostPort: 80 }], [{ hostPort: 79 }, { hostPort: 80 }], true],
])('NodePorts: %s', (_name, wanted, used, clashes) => {
  const world = new PluginWorld().nodes(aNode('n')).pods(withPorts(...used));
  const want = clashes ? "node(s) didn't have free ports for the requested pod ports" : undefined;
  expect(reason(nodePorts, withPorts(...wanted), world)).toBe(want);
  expect(wakes(nodePorts, withPorts(...wanted), podGoes(withPorts(...used)))).toBe(clashes);
});

test('NodePorts has nothing to say of pods without host ports, and tries again with every new node', () => {
  expect(filterAll(nodePorts, aPod(), new PluginWorld()).preFilter).toBe('skip');
  expect(wakes(nodePorts, withPorts({ hostPort: 80 }), nodeComes(aNode('m')))).toBe(true);
});

const CORDON: Toleration = { key: 'node.kubernetes.io/unschedulable', operator: 'Exists' };

test.each([
  ['open', false, [], undefined],
  ['cordoned', true, [], 'node(s) were unschedulable'],
  ['cordoned, tolerated', true, [CORDON], undefined],
  ['cordoned, something else is tolerated', true, [{ key: 'k', operator: 'Exists' }], 'node(s) were unschedulable'],
])('NodeUnschedulable: %s', (_name, unschedulable, tolerations, want) => {
  const world = new PluginWorld().nodes(aNode('n', { unschedulable }));
  expect(reason(nodeUnschedulable, aPod({ tolerations }), world)).toBe(want);
});

test('NodeUnschedulable waits for open nodes and for its own toleration', () => {
  const [pod, open, closed] = [aPod(), aNode('n'), aNode('n', { unschedulable: true })];
  expect(wakes(nodeUnschedulable, pod, nodeComes(open))).toBe(true);
  expect(wakes(nodeUnschedulable, pod, nodeComes(closed))).toBe(false);
  expect(wakes(nodeUnschedulable, pod, updateOf(closed, open))).toBe(true);
  expect(wakes(nodeUnschedulable, pod, updateOf(open, closed))).toBe(false);
  const tolerates = (...tolerations: Toleration[]): Pod => ({ ...pod, spec: { ...pod.spec, tolerations } });
  expect(wakes(nodeUnschedulable, pod, updateOf(pod, tolerates(CORDON)))).toBe(true);
  expect(wakes(nodeUnschedulable, pod, updateOf(pod, tolerates({ key: 'k', operator: 'Exists' })))).toBe(false);
  expect(wakes(nodeUnschedulable, aPod(), updateOf(pod, tolerates(CORDON)))).toBe(false);
});

const taint = (effect: string, key = 'k', value = 'v'): Taint => ({ key, value, effect });

test.each([
  ['no taint', [], [], undefined],
  ['NoSchedule', [taint('NoSchedule')], [], 'node(s) had untolerated taint(s)'],
  ['NoExecute', [taint('NoExecute')], [], 'node(s) had untolerated taint(s)'],
  ['PreferNoSchedule', [taint('PreferNoSchedule')], [], undefined],
  ['tolerated by value', [taint('NoSchedule')], [{ key: 'k', value: 'v' }], undefined],
  ['another value', [taint('NoSchedule')], [{ key: 'k', value: 'w' }], 'node(s) had untolerated taint(s)'],
  [
    'another effect',
    [taint('NoSchedule')],
    [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }],
    'node(s) had untolerated taint(s)',
  ],
  ['everything tolerated', [taint('NoSchedule'), taint('NoExecute', 'l')], [{ operator: 'Exists' }], undefined],
  [
    'one of two',
    [taint('NoSchedule'), taint('NoSchedule', 'l')],
    [{ key: 'l', operator: 'Exists' }],
    'node(s) had untolerated taint(s)',
  ],
])('TaintToleration: %s', (_name, taints, tolerations, want) => {
  expect(reason(taintToleration, aPod({ tolerations }), new PluginWorld().nodes(aNode('n', { taints })))).toBe(want);
});

test('TaintToleration prefers nodes with fewer taints that are not tolerated', () => {
  const prefer = (...keys: string[]): Taint[] => keys.map(key => taint('PreferNoSchedule', key));
  const world = new PluginWorld().nodes(
    aNode('none', { taints: [taint('NoSchedule')] }),
    aNode('one', { taints: prefer('a', 'ok') }),
    aNode('four', { taints: prefer('a', 'b', 'c', 'd') }),
  );
  const pod = aPod({ tolerations: [{ key: 'ok', operator: 'Exists' }] });
  expect(scoreAll(taintToleration, pod, world)).toEqual({ none: 100, one: 75, four: 0 });
  expect(scoreAll(taintToleration, pod, new PluginWorld().nodes(aNode('n')))).toBe('skip');
});

test('TaintToleration waits for nodes to let it in and for its own tolerations', () => {
  const [pod, open, closed] = [aPod(), aNode('n'), aNode('n', { taints: [taint('NoSchedule')] })];
  const stillClosed = aNode('n', { taints: [taint('NoExecute')] });
  expect(wakes(taintToleration, pod, nodeComes(open))).toBe(true);
  expect(wakes(taintToleration, pod, nodeComes(closed))).toBe(false);
  expect(wakes(taintToleration, pod, updateOf(closed, open))).toBe(true);
  expect(wakes(taintToleration, pod, updateOf(closed, stillClosed))).toBe(false);
  expect(wakes(taintToleration, pod, updateOf(aNode('n', { labels: { a: 'b' } }), open))).toBe(false);
  const tolerant = { ...pod, spec: { ...pod.spec, tolerations: [{ operator: 'Exists' }] } };
  expect(wakes(taintToleration, pod, updateOf(pod, tolerant))).toBe(true);
  expect(wakes(taintToleration, aPod(), updateOf(pod, tolerant))).toBe(false);
});

type Terms = NonNullable<NodeAffinity['requiredDuringSchedulingIgnoredDuringExecution']>['nodeSelectorTerms'];

const requiring = (...nodeSelectorTerms: Terms): NodeAffinity => ({
  requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
});
const label = (key: string, operator: string, ...values: string[]): Terms[number] => ({
  matchExpressions: [{ key, operator, values }],
});
const named = (...values: string[]): Terms[number] => ({
  matchFields: values.map(value => ({ key: 'metadata.name', operator: 'In', values: [value] })),
});
const NOT_THE_PODS = "node(s) didn't match Pod's node affinity/selector";

test.each<[string, Labels | undefined, NodeAffinity | undefined, string | undefined]>([
  ['selector', { disk: 'ssd' }, undefined, undefined],
  ['selector with another value', { disk: 'hdd' }, undefined, NOT_THE_PODS],
  ['In', undefined, requiring(label('disk', 'In', 'hdd', 'ssd')), undefined],
  ['NotIn', undefined, requiring(label('disk', 'NotIn', 'ssd')), NOT_THE_PODS],
  ['Gt', undefined, requiring(label('size', 'Gt', '9')), undefined],
  ['Lt', undefined, requiring(label('size', 'Lt', '9')), NOT_THE_PODS],
  ['one of two terms', undefined, requiring(label('x', 'Exists'), label('disk', 'Exists')), undefined],
  ['an empty term', undefined, requiring({}), NOT_THE_PODS],
  ['selector, not affinity', { disk: 'ssd' }, requiring(label('x', 'Exists')), NOT_THE_PODS],
  ['affinity, not selector', { x: 'y' }, requiring(label('disk', 'Exists')), NOT_THE_PODS],
  ['a label that every object has', { constructor: 'Object' }, undefined, NOT_THE_PODS],
])('NodeAffinity: %s', (_name, nodeSelector, affinity, want) => {
  const world = new PluginWorld().nodes(aNode('n', { labels: { disk: 'ssd', size: '10' } }));
  const pod = aPod({ nodeSelector, affinity: affinity === undefined ? undefined : { nodeAffinity: affinity } });
  expect(reason(nodeAffinity(undefined), pod, world)).toBe(want);
});

test.each<[string, Terms, unknown]>([
  ['by name', [named('n')], { nodeNames: new Set(['n']) }],
  ['by names', [named('n'), named('m')], { nodeNames: new Set(['n', 'm']) }],
  ['by name or label', [named('n'), label('disk', 'Exists')], undefined],
  ['names that rule each other out', [named('n', 'm')], { reason: 'pod affinity terms conflict', unresolvable: true }],
  ['no names', [label('disk', 'Exists')], undefined],
])('NodeAffinity asks for nodes %s', (_name, terms, want) => {
  const pod = aPod({ affinity: { nodeAffinity: requiring(...terms) } });
  expect(filterAll(nodeAffinity(undefined), pod, new PluginWorld()).preFilter).toEqual(want);
});

test('NodeAffinity has nothing to say of a pod that asks for nothing', () => {
  const world = new PluginWorld().nodes(aNode('n'));
  expect(filterAll(nodeAffinity({}), aPod(), world).preFilter).toBe('skip');
  expect(scoreAll(nodeAffinity({}), aPod(), world)).toBe('skip');
});

const preferring = (weight: number, preference: Terms[number]) => ({ weight, preference });

test("NodeAffinity adds up weights, the profile's too", () => {
  const world = new PluginWorld().nodes(
    aNode('none'),
    aNode('a', { labels: { a: '1' } }),
    aNode('ab', { labels: { a: '1', b: '1' } }),
  );
  const preferred = [preferring(30, label('a', 'Exists')), preferring(10, label('b', 'Exists'))];
  const pod = aPod({ affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } });
  expect(scoreAll(nodeAffinity(undefined), pod, world)).toEqual({ none: 0, a: 75, ab: 100 });
  const addedAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [preferring(40, label('b', 'Exists'))] };
  expect(scoreAll(nodeAffinity({ addedAffinity }), pod, world, true)).toEqual({ none: 0, a: 30, ab: 80 });
});

test("NodeAffinity holds every pod to the profile's affinity", () => {
  const world = new PluginWorld().nodes(aNode('n', { labels: { a: '1' } }));
  const added = (term: Terms[number]): Plugin => nodeAffinity({ addedAffinity: requiring(term) });
  expect(reason(added(label('a', 'Exists')), aPod(), world)).toBeUndefined();
  const want = "node(s) didn't match scheduler-enforced node affinity";
  expect(reason(added(label('b', 'Exists')), aPod({ nodeSelector: { x: 'y' } }), world)).toBe(want);
  expect(() => added(label('b', 'Sideways'))).toThrow('args.addedAffinity.requiredDuringScheduling');
});

test('NodeAffinity waits for nodes that come to suit', () => {
  const [plugin, pod] = [nodeAffinity(undefined), aPod({ nodeSelector: { a: '1' } })];
  const [without, suited] = [aNode('n'), aNode('n', { labels: { a: '1' } })];
  expect(wakes(plugin, pod, nodeComes(suited))).toBe(true);
  expect(wakes(plugin, pod, nodeComes(without))).toBe(false);
  expect(wakes(plugin, pod, updateOf(without, suited))).toBe(true);
  expect(wakes(plugin, pod, updateOf(suited, aNode('n', { labels: { a: '1', b: '1' } })))).toBe(false);
  expect(wakes(plugin, pod, updateOf(suited, without))).toBe(false);
});

test.each([
  ['on one node of two', 'app', { n: 23, m: 0 }],
  ['by another of its names', 'docker.io/library/app', { n: 23, m: 0 }],
  ['with a tag', 'reg.example/x:1', { n: 0, m: 48 }],
  ['on both', 'base', { n: 2, m: 2 }],
])('ImageLocality: an image %s', (_name, image, want) => {
  const world = new PluginWorld().nodes(
    aNode('n', { images: { 'docker.io/library/app:latest': 500 * MIB, 'docker.io/library/base:latest': 50 * MIB } }),
    aNode('m', { images: { 'reg.example/x:1': 1000 * MIB, 'docker.io/library/base:latest': 50 * MIB } }),
  );
  const pod = aPod({ containers: [{ name: 'c', image }] });
  expect(scoreAll(imageLocality(world.handle), pod, world)).toEqual(want);
});

test('ImageLocality takes all images of the pod together, and knows when no node has any', () => {
  const world = new PluginWorld().nodes(
    aNode('n', { images: { 'a.example/a:1': 4000 * MIB, 'a.example/b:1': 4000 * MIB } }),
  );
  const image = (name: string) => ({ name: 'c', image: name });
  const both = aPod({ containers: [image('a.example/a:1')], initContainers: [image('a.example/b:1')] });
  const volumes = [{ name: 'v', image: { reference: 'a.example/b:1' } }];
  expect(scoreAll(imageLocality(world.handle), both, world)).toEqual({ n: 100 });
  expect(scoreAll(imageLocality(world.handle), aPod({ containers: [image('a.example/a:1')], volumes }), world)).toEqual(
    { n: 100 },
  );
  expect(scoreAll(imageLocality(world.handle), aPod({ containers: [image('a.example/c:1')] }), world)).toBe('skip');
});

test('SchedulingGates keeps a gated pod out until its own gates are gone', () => {
  const gated = aPod({ schedulingGates: [{ name: 'g' }] });
  const free = { ...gated, spec: { ...gated.spec, schedulingGates: [] } };
  expect(schedulingGates.preEnqueue?.(free)).toBeUndefined();
  expect(schedulingGates.preEnqueue?.(gated)?.reason).toBe('Scheduling is blocked due to non-empty scheduling gates');
  expect(wakes(schedulingGates, gated, updateOf(gated, free))).toBe(true);
  expect(wakes(schedulingGates, aPod({ schedulingGates: [{ name: 'g' }] }), updateOf(gated, free))).toBe(false);
});

test('PrioritySort tries the most important first, then the oldest', () => {
  const queued = (priority: number, order: number): QueuedPod => ({ pod: aPod(), priority, order, attempts: 0 });
  const pods = [queued(0, 1), queued(10, 3), queued(10, 2), queued(-5, 0)];
  const sorted = pods.sort((a, b) => prioritySort.compare?.(a, b) ?? 0);
  expect(sorted.map(({ order }) => order)).toEqual([2, 3, 1, 0]);
});
