import { expect, test } from '@jest/globals';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { nodeActions, podActions } from './cluster-change.ts';

const node: Node = {
  metadata: { name: 'n', resourceVersion: '1', labels: { a: '1' } },
  spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] },
  status: {
    allocatable: { cpu: '1' },
    conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' }],
  },
};

test.each<[string, Partial<Node>, string[]]>([
  [
    'a heartbeat is nothing',
    {
      metadata: { ...node.metadata, resourceVersion: '2' },
      status: {
        ...node.status,
        conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:01:00Z' }],
      },
    },
    [],
  ],
  ['labels', { metadata: { ...node.metadata, labels: { a: '2' } } }, ['UpdateNodeLabel']],
  ['annotations', { metadata: { ...node.metadata, annotations: { a: '2' } } }, ['UpdateNodeAnnotation']],
  ['taints', { spec: {} }, ['UpdateNodeTaint']],
  ['cordoned: helps nobody', { spec: { ...node.spec, unschedulable: true } }, []],
  [
    'more room, and ready no more',
    { status: { allocatable: { cpu: '2' }, conditions: [{ type: 'Ready', status: 'Unknown' }] } },
    ['UpdateNodeAllocatable', 'UpdateNodeCondition'],
  ],
])('nodeActions(): %s', (_name, change, actions) => {
  expect(nodeActions(node, { ...node, ...change })).toEqual(actions);
});

test('nodeActions(): a node that is open again counts as one whose taints changed', () => {
  expect(nodeActions({ ...node, spec: { ...node.spec, unschedulable: true } }, node)).toEqual(['UpdateNodeTaint']);
});

function pod(cpu: string, more: Partial<Pod['spec']> = {}, labels: Record<string, string> = {}): Pod {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu } } }];
  return { metadata: { name: 'p', labels }, spec: { containers, ...more } };
}

const gated = { schedulingGates: [{ name: 'example.com/gate' }] };

test.each<[string, Pod, Pod, string[]]>([
  ['something without a name', pod('1'), pod('2'), ['Update']],
  ['smaller', pod('2'), pod('1'), ['UpdatePodScaleDown']],
  [
    'labels and tolerations',
    pod('1'),
    pod('1', { tolerations: [{ operator: 'Exists' }] }, { a: '' }),
    ['UpdatePodLabel', 'UpdatePodToleration'],
  ],
  ['its last gate is open', pod('1', gated), pod('1'), ['UpdatePodSchedulingGatesEliminated']],
  ['a gate is left', pod('1', gated), pod('1', { schedulingGates: [{ name: 'example.com/other' }] }), ['Update']],
])('podActions(): %s', (_name, older, newer, actions) => {
  expect(podActions(older, newer)).toEqual(actions);
});
