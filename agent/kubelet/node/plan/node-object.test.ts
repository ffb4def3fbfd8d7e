import { expect, test } from '@jest/globals';
import type { Node, NodeStatus } from '../../../../proto/api/core-v1.ts';
import { withDefaults } from '../../config/plan/kubelet-configuration.ts';
import { nodeAllocatable } from './node-allocatable.ts';
import { schedulableEvent, statusEvents } from './node-events.ts';
import { nodeStatus, reregistration, type NodeFacts, type NodeObservation } from './node-object.ts';
import { nodeStatusPatch } from './node-status-patch.ts';

const facts = {
  nodeName: 'a',
  addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
  systemInfo: { bootID: 'b1', architecture: 'amd64', operatingSystem: 'linux', kubeletVersion: 'v1.36.0' },
  cpuCount: 2,
  memoryBytes: 2 ** 31,
  hugePages: new Map([['hugepages-2Mi', 2 ** 21]]),
  maxPods: 110,
  kubeletPort: 10250,
  labels: { disk: 'ssd' },
  taints: [],
  providerId: 'x://1',
  allocatable: (capacity: Record<string, string>) =>
    nodeAllocatable(capacity, withDefaults({ kubeReserved: { cpu: '100m' } })),
} as unknown as NodeFacts;

const seen: NodeObservation = {
  diskBytes: 2048,
  images: [],
  runtimeHandlers: [],
  features: undefined,
  volumesInUse: [],
  plugins: { capacity: { 'y.example/fpga': '3' }, allocatable: { 'y.example/fpga': '1' } },
  notReady: [],
  pressure: { memory: false, disk: false, pid: false },
  nowMs: 0,
};

const older: NodeStatus = {
  capacity: { 'x.example/gpu': '2', cpu: '1', 'hugepages-1Gi': '0' },
  allocatable: { 'x.example/gpu': '1', 'z.example/gone': '1' },
  conditions: [
    { type: 'NetworkUnavailable', status: 'False' },
    { type: 'Ready', status: 'True', lastTransitionTime: 'then' },
  ],
};

test('nodeStatus() keeps what others wrote, and lets pods use it', () => {
  const status = nodeStatus(facts, seen, older);
  expect(status.capacity).toMatchObject({ 'x.example/gpu': '2', cpu: '2', pods: '110', 'hugepages-2Mi': '2Mi' });
  expect(status.allocatable).toMatchObject({ 'x.example/gpu': '2', cpu: '1900m', memory: '1946Mi' });
  expect([status.capacity?.['y.example/fpga'], status.allocatable?.['y.example/fpga']]).toEqual(['3', '1']);
  expect(status.capacity).not.toHaveProperty('hugepages-1Gi');
  expect(status.conditions?.map(condition => condition.type)).toEqual([
    'NetworkUnavailable',
    'MemoryPressure',
    'DiskPressure',
    'PIDPressure',
    'Ready',
  ]);
  expect(status.conditions?.at(-1)?.lastTransitionTime).toBe('then');
});

test.each([
  [[], 'True', 'KubeletReady', 'kubelet is posting ready status'],
  [['a'], 'False', 'KubeletNotReady', 'a'],
  [['a', 'b'], 'False', 'KubeletNotReady', '[a, b]'],
])('nodeStatus() with problems %j says Ready=%s', (notReady, status, reason, message) => {
  expect(nodeStatus(facts, { ...seen, notReady }, undefined).conditions?.at(-1)).toMatchObject({
    type: 'Ready',
    status,
    reason,
    message,
  });
});

test('nodeStatusPatch() names what differs, what is gone, and nothing else', () => {
  const next = nodeStatus(facts, { ...seen, volumesInUse: ['v'] }, older);
  expect(nodeStatusPatch(next, next, false)).toBeUndefined();
  const later = nodeStatus(facts, { ...seen, nowMs: 60_000 }, next);
  expect(nodeStatusPatch(next, later, false)).toEqual({ status: { volumesInUse: null } });
  const due = nodeStatusPatch(next, later, true) as { status: NodeStatus };
  expect(due.status.conditions?.map(({ type }) => type)).toEqual([
    'MemoryPressure',
    'DiskPressure',
    'PIDPressure',
    'Ready',
  ]);
  expect(nodeStatusPatch(older, next, false)).toMatchObject({
    status: {
      capacity: { cpu: '2', 'hugepages-1Gi': null, 'y.example/fpga': '3' },
      allocatable: { 'x.example/gpu': '2', 'z.example/gone': null },
    },
  });
  const grown = { ...next, capacity: { ...next.capacity, 'x.example/gpu': '5' } };
  expect(nodeStatusPatch(grown, nodeStatus(facts, { ...seen, volumesInUse: ['v'] }, grown), false)).toEqual({
    status: { allocatable: { 'x.example/gpu': '5' } },
  });
});

test('statusEvents() tells of transitions and of a reboot', () => {
  const next = nodeStatus(facts, seen, undefined);
  const reasons = (from: NodeStatus | undefined, to: NodeStatus): string[] =>
    statusEvents('a', from, to).map(({ reason }) => reason);
  expect(reasons(undefined, next)).toEqual([
    'NodeHasSufficientMemory',
    'NodeHasNoDiskPressure',
    'NodeHasSufficientPID',
    'NodeReady',
  ]);
  expect(reasons(next, next)).toEqual([]);
  const starting = nodeStatus(facts, { ...seen, notReady: ['x'] }, undefined);
  expect(reasons(undefined, starting)).not.toContain('NodeNotReady');
  const ill = { ...seen, notReady: ['x'], pressure: { memory: true, disk: true, pid: true } };
  const rebooted = { ...facts, systemInfo: { ...facts.systemInfo, bootID: 'b2' } };
  expect(statusEvents('a', next, nodeStatus(rebooted, ill, next)).map(({ message }) => message)).toEqual([
    'Node a has been rebooted, boot id: b2',
    'Node a status is now: NodeHasInsufficientMemory',
    'Node a status is now: NodeHasDiskPressure',
    'Node a status is now: NodeHasInsufficientPID',
    'Node a status is now: NodeNotReady',
  ]);
});

test('schedulableEvent() tells of a cordon and of its end', () => {
  const node = (unschedulable: boolean): Node => ({ metadata: { name: 'a' }, spec: { unschedulable } });
  expect(schedulableEvent(node(false), node(true))?.reason).toBe('NodeNotSchedulable');
  expect(schedulableEvent(node(true), node(false))?.reason).toBe('NodeSchedulable');
  expect(schedulableEvent(node(true), node(true))).toBeUndefined();
});

test('reregistration() puts back what is ours, and leaves the rest', () => {
  const labels = { 'kubernetes.io/os': 'windows', mine: '1' };
  const node: Node = { metadata: { name: 'a', labels }, spec: { providerID: 'y://2' } };
  expect(reregistration(facts, node)).toEqual({
    metadata: {
      labels: expect.objectContaining({
        'kubernetes.io/os': 'linux',
        'kubernetes.io/hostname': 'a',
        disk: 'ssd',
      }) as object,
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
  });
  const whole = {
    ...node,
    metadata: {
      labels: {
        'kubernetes.io/hostname': 'a',
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'beta.kubernetes.io/arch': 'amd64',
        disk: 'ssd',
      },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
  };
  expect(reregistration(facts, whole)).toBeUndefined();
});
