/** NodeResourcesFit and NodeResourcesBalancedAllocation. */
import { expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { NodeResourcesFitArgs, ScoringStrategy } from '../../../proto/api/kube-scheduler-config-v1.ts';
import { CycleState } from '../framework/cycle-state.ts';
import type { Rejection } from '../framework/framework.ts';
import { nodeResourcesBalancedAllocation } from './node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import {
  aNode,
  aPod,
  nodeComes,
  PluginWorld,
  podGoes,
  scoreAll,
  updateOf,
  wakes,
  type Labels,
} from './testdata/plugin-world.ts';

const NODE = {
  cpu: '4',
  memory: '4Gi',
  'ephemeral-storage': '10Gi',
  pods: '2',
  'example.com/gpu': '2',
  'hugepages-2Mi': '8Mi',
};
const container = (requests: Labels, more: Partial<Container> = {}): Container => ({
  name: 'c',
  resources: { requests },
  ...more,
});
const sidecar = (requests: Labels): Container => container(requests, { restartPolicy: 'Always' });

function rejections(
  pod: Pod,
  used: readonly Pod[] = [],
  args?: NodeResourcesFitArgs,
): readonly Rejection[] | undefined {
  const { cluster } = new PluginWorld().nodes(aNode('n', { allocatable: NODE })).pods(...used);
  const [plugin, state] = [nodeResourcesFit(args), new CycleState()];
  plugin.preFilter?.(state, pod, cluster);
  const [info] = cluster.nodes;
  return info === undefined ? undefined : plugin.filter?.(state, pod, info);
}

const reasons = (...parameters: Parameters<typeof rejections>): string[] | undefined =>
  rejections(...parameters)?.map(({ reason }) => reason);
const running = (requests: Labels): Pod => aPod({ nodeName: 'n', requests });

test.each<[string, Pod, readonly Pod[], string[] | undefined]>([
  ['nothing asked', aPod(), [running({ cpu: '9', memory: '9Gi' })], undefined],
  [
    'exactly what is left',
    aPod({ requests: { cpu: '1', memory: '1Gi' } }),
    [running({ cpu: '3', memory: '3Gi' })],
    undefined,
  ],
  ['cpu', aPod({ requests: { cpu: '1001m' } }), [running({ cpu: '3' })], ['Insufficient cpu']],
  ['memory', aPod({ requests: { memory: '2Gi' } }), [running({ memory: '3Gi' })], ['Insufficient memory']],
  ['storage', aPod({ requests: { 'ephemeral-storage': '11Gi' } }), [], ['Insufficient ephemeral-storage']],
  [
    'a device',
    aPod({ requests: { 'example.com/gpu': '2' } }),
    [running({ 'example.com/gpu': '1' })],
    ['Insufficient example.com/gpu'],
  ],
  [
    'a device that the node lacks',
    aPod({ requests: { 'example.com/tpu': '1' } }),
    [],
    ['Insufficient example.com/tpu'],
  ],
  ['none of a device that it lacks', aPod({ requests: { 'example.com/tpu': '0' } }), [], undefined],
  ['huge pages', aPod({ requests: { 'hugepages-2Mi': '10Mi' } }), [], ['Insufficient hugepages-2Mi']],
  ['pods', aPod(), [running({}), running({})], ['Too many pods']],
  [
    'all of it',
    aPod({ requests: { cpu: '5', memory: '5Gi' } }),
    [running({}), running({})],
    ['Too many pods', 'Insufficient cpu', 'Insufficient memory'],
  ],
  [
    'init containers one by one',
    aPod({ initContainers: [container({ cpu: '4' }), container({ cpu: '4' })] }),
    [],
    undefined,
  ],
  ['the largest init container', aPod({ initContainers: [container({ cpu: '5' })] }), [], ['Insufficient cpu']],
  [
    'containers together',
    aPod({ containers: [container({ cpu: '3' }), container({ cpu: '2' })] }),
    [],
    ['Insufficient cpu'],
  ],
  [
    'sidecars beside containers',
    aPod({ containers: [container({ cpu: '3' })], initContainers: [sidecar({ cpu: '2' })] }),
    [],
    ['Insufficient cpu'],
  ],
  [
    'a sidecar beside a later init container',
    aPod({ initContainers: [sidecar({ cpu: '2' }), container({ cpu: '3' })] }),
    [],
    ['Insufficient cpu'],
  ],
  ['overhead', aPod({ requests: { cpu: '4' }, overhead: { cpu: '1m' } }), [], ['Insufficient cpu']],
  [
    'the pod as a whole',
    aPod({ requests: { cpu: '1' }, resources: { requests: { cpu: '5' } } }),
    [],
    ['Insufficient cpu'],
  ],
])('NodeResourcesFit: %s', (_name, pod, used, want) => {
  expect(reasons(pod, used)).toEqual(want);
});

test('NodeResourcesFit: more than the node ever has is no matter of who runs there', () => {
  const used = [running({ cpu: '3', memory: '3Gi' })];
  expect(rejections(aPod({ requests: { cpu: '2' } }), used)).toEqual([
    { reason: 'Insufficient cpu', unresolvable: false },
  ]);
  expect(rejections(aPod({ requests: { cpu: '5', memory: '2Gi' } }), used)).toEqual([
    { reason: 'Insufficient cpu', unresolvable: true },
    { reason: 'Insufficient memory', unresolvable: true },
  ]);
});

test.each<[string, NodeResourcesFitArgs, boolean]>([
  ['by name', { ignoredResources: ['example.com/tpu'] }, true],
  ['by group', { ignoredResourceGroups: ['example.com'] }, true],
  ['another', { ignoredResources: ['example.com/npu'], ignoredResourceGroups: ['example.org'] }, false],
])('NodeResourcesFit leaves out what is ignored %s', (_name, args, isIgnored) => {
  const want = isIgnored ? undefined : ['Insufficient example.com/tpu'];
  expect(reasons(aPod({ requests: { 'example.com/tpu': '1' } }), [], args)).toEqual(want);
});

test('NodeResourcesFit never leaves out what Kubernetes itself counts', () => {
  expect(reasons(aPod({ requests: { cpu: '5' } }), [], { ignoredResources: ['cpu'] })).toEqual(['Insufficient cpu']);
});

/** Scores of an empty, a half full and a full node for a pod that asks for a quarter. */
function scores(scoringStrategy: ScoringStrategy | undefined, requests: Labels = { cpu: '1', memory: '1Gi' }): unknown {
  const allocatable = { cpu: '4', memory: '4Gi', pods: '10', 'example.com/gpu': '4' };
  const world = new PluginWorld()
    .nodes(...['empty', 'half', 'full'].map(name => aNode(name, { allocatable })))
    .pods(
      aPod({ nodeName: 'half', requests: { cpu: '2', memory: '2Gi', 'example.com/gpu': '2' } }),
      aPod({ nodeName: 'full', requests: { cpu: '4', memory: '4Gi', 'example.com/gpu': '4' } }),
    );
  return scoreAll(nodeResourcesFit({ scoringStrategy }), aPod({ requests }), world);
}

const ratio = (...points: [number, number][]): ScoringStrategy => ({
  type: 'RequestedToCapacityRatio',
  requestedToCapacityRatio: { shape: points.map(([utilization, score]) => ({ utilization, score })) },
});
const gpu = { name: 'example.com/gpu', weight: 3 };

test.each<[string, ScoringStrategy | undefined, Labels | undefined, Record<string, number>]>([
  ['by default', undefined, undefined, { empty: 75, half: 25, full: 0 }],
  ['LeastAllocated', { type: 'LeastAllocated' }, undefined, { empty: 75, half: 25, full: 0 }],
  [
    'LeastAllocated with weights',
    {
      type: 'LeastAllocated',
      resources: [
        { name: 'cpu', weight: 3 },
        { name: 'memory', weight: 1 },
      ],
    },
    { cpu: '2', memory: '0' },
    { empty: 62, half: 12, full: 0 },
  ],
  [
    'LeastAllocated of a device',
    { type: 'LeastAllocated', resources: [gpu] },
    { 'example.com/gpu': '1' },
    { empty: 75, half: 25, full: 0 },
  ],
  [
    'a device that is not asked for',
    { type: 'LeastAllocated', resources: [gpu, { name: 'cpu' }] },
    { cpu: '1' },
    { empty: 75, half: 25, full: 0 },
  ],
  ['MostAllocated', { type: 'MostAllocated' }, undefined, { empty: 25, half: 75, full: 100 }],
  ['RequestedToCapacityRatio, packing', ratio([0, 0], [100, 10]), undefined, { empty: 25, half: 75, full: 100 }],
  ['RequestedToCapacityRatio, spreading', ratio([0, 10], [100, 0]), undefined, { empty: 75, half: 25, full: 0 }],
  [
    'RequestedToCapacityRatio, with a knee',
    ratio([25, 2], [50, 2], [100, 10]),
    undefined,
    { empty: 20, half: 60, full: 100 },
  ],
  ['what nobody asked for counts a little', { type: 'MostAllocated' }, {}, { empty: 3, half: 53, full: 100 }],
])('NodeResourcesFit scores %s', (_name, strategy, requests, want) => {
  expect(scores(strategy, requests)).toEqual(want);
});

test.each<[string, NodeResourcesFitArgs, string]>([
  ['strategy', { scoringStrategy: { type: 'Best' } }, 'args.scoringStrategy.type: Unsupported value: "Best"'],
  [
    'weight',
    { scoringStrategy: { type: 'LeastAllocated', resources: [{ name: 'cpu', weight: 101 }] } },
    'args.scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]',
  ],
  ['shape', { scoringStrategy: ratio([0, 0], [0, 10]) }, 'values must be sorted in increasing order'],
  [
    'group',
    { ignoredResourceGroups: ['a/b'] },
    "args.ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'",
  ],
])('NodeResourcesFit refuses a wrong %s', (_name, args, want) => {
  expect(() => nodeResourcesFit(args)).toThrow(want);
});

test('NodeResourcesFit waits for room', () => {
  const [fit, pod] = [nodeResourcesFit(undefined), aPod({ requests: { cpu: '2' } })];
  const node = (cpu: string, pods = '10', memory = '1Gi') => aNode('n', { allocatable: { cpu, pods, memory } });
  expect(wakes(fit, pod, podGoes(running({ memory: '1Gi' })))).toBe(true);
  expect(wakes(fit, pod, nodeComes(node('2')))).toBe(true);
  expect(wakes(fit, pod, nodeComes(node('1')))).toBe(false);
  expect(wakes(fit, pod, updateOf(node('2'), node('3')))).toBe(true);
  expect(wakes(fit, pod, updateOf(node('3'), node('2')))).toBe(false);
  expect(wakes(fit, pod, updateOf(node('1'), node('1', '11')))).toBe(false);
  expect(wakes(fit, pod, updateOf(node('2'), node('2', '11')))).toBe(true);
  expect(wakes(fit, pod, updateOf(node('2'), node('2', '10', '2Gi')))).toBe(false);
});

test('NodeResourcesFit waits for pods to shrink', () => {
  const [fit, pod] = [nodeResourcesFit(undefined), aPod({ requests: { cpu: '2' } })];
  const shrunk = (of: Pod, requests: Labels): Pod => ({
    ...of,
    spec: { ...of.spec, containers: [container(requests)] },
  });
  const other = running({ cpu: '2', memory: '2Gi' });
  expect(wakes(fit, pod, updateOf(other, shrunk(other, { cpu: '1', memory: '2Gi' })))).toBe(true);
  expect(wakes(fit, pod, updateOf(other, shrunk(other, { cpu: '2', memory: '1Gi' })))).toBe(false);
  expect(wakes(fit, pod, updateOf(pod, shrunk(pod, { cpu: '1' })))).toBe(true);
  const waiting = aPod({ requests: { cpu: '2' } });
  expect(wakes(fit, pod, updateOf(waiting, shrunk(waiting, { cpu: '1' })))).toBe(false);
});

test.each<[string, Labels, Labels, number]>([
  ['the same share of both', { cpu: '1', memory: '1Gi' }, {}, 100],
  ['half of one', { cpu: '2' }, {}, 75],
  ['all of one', { cpu: '4' }, {}, 50],
  ['what is there counts too', { cpu: '1' }, { cpu: '1', memory: '2Gi' }, 100],
  ['more than there is counts as all', { cpu: '4' }, { cpu: '4', memory: '4Gi' }, 100],
])('NodeResourcesBalancedAllocation: %s', (_name, requests, used, want) => {
  const world = new PluginWorld().nodes(aNode('n', { allocatable: { cpu: '4', memory: '4Gi' } })).pods(running(used));
  expect(scoreAll(nodeResourcesBalancedAllocation(undefined), aPod({ requests }), world)).toEqual({ n: want });
});

test('NodeResourcesBalancedAllocation takes the resources that it is told, by their standard deviation', () => {
  const allocatable = { cpu: '4', memory: '4Gi', 'example.com/gpu': '4' };
  const world = new PluginWorld().nodes(aNode('n', { allocatable }));
  const pod = aPod({ requests: { cpu: '2', memory: '1Gi', 'example.com/gpu': '3' } });
  const resources = ['cpu', 'memory', 'example.com/gpu'].map(name => ({ name }));
  // Shares of 0.5, 0.25 and 0.75 deviate by 0.204.
  expect(scoreAll(nodeResourcesBalancedAllocation({ resources }), pod, world)).toEqual({ n: 79 });
  expect(scoreAll(nodeResourcesBalancedAllocation(undefined), pod, world)).toEqual({ n: 87 });
  expect(() => nodeResourcesBalancedAllocation({ resources: [{ name: 'cpu', weight: 2 }] })).toThrow(
    'args.resources[0].weight: Invalid value: 2: must be 1',
  );
});

test('NodeResourcesBalancedAllocation has nothing to say of pods that ask for nothing', () => {
  const world = new PluginWorld().nodes(aNode('n'));
  expect(scoreAll(nodeResourcesBalancedAllocation(undefined), aPod(), world)).toBe('skip');
  expect(
    scoreAll(nodeResourcesBalancedAllocation(undefined), aPod({ requests: { 'example.com/gpu': '1' } }), world),
  ).toBe('skip');
});
