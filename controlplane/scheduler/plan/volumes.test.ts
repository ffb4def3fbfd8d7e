import { expect, test } from '@jest/globals';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIStorageCapacity, StorageClass } from '../../../proto/api/storage-v1.ts';
import { storageUse, volumeScore } from './volume-score.ts';
import { claimsOf, planVolumes, type VolumeSources } from './volumes.ts';

function volume(name: string, storage: string, onNode?: string, claimName?: string): PersistentVolume {
  const fields = [{ key: 'metadata.name', operator: 'In', values: [onNode ?? ''] }];
  const required = { nodeSelectorTerms: [{ matchFields: fields }] };
  return {
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'local',
      ...(onNode === undefined ? {} : { nodeAffinity: { required } }),
      ...(claimName === undefined ? {} : { claimRef: { namespace: 'default', name: claimName } }),
    },
    status: { phase: 'Available' },
  };
}

function claim(name: string, storage: string, storageClassName = 'local', volumeName?: string): PersistentVolumeClaim {
  const resources = { requests: { storage } };
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      ...(volumeName === undefined ? {} : { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }),
    },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources, volumeName },
  };
}

const storageClass = (name: string, provisioner: string, volumeBindingMode: string): StorageClass => ({
  metadata: { name },
  provisioner,
  volumeBindingMode,
});
const GI = 2 ** 30;
const NO_ROOM = 'node(s) did not have enough free storage';
const room = (host: string, capacity: string, maximumVolumeSize?: string): CSIStorageCapacity => ({
  metadata: { name: 'r' },
  storageClassName: 'made',
  nodeTopology: { matchLabels: { host } },
  capacity,
  maximumVolumeSize,
});
const selected = (nodeName: string): PersistentVolumeClaim => {
  const made = claim('c', '1Gi', 'made');
  return {
    ...made,
    metadata: { ...made.metadata, annotations: { 'volume.kubernetes.io/selected-node': nodeName } },
  };
};
const classes = [
  storageClass('local', 'kubernetes.io/no-provisioner', 'WaitForFirstConsumer'),
  storageClass('made', 'example.com/maker', 'WaitForFirstConsumer'),
  storageClass('folder', 'k8ts.io/local-path', 'WaitForFirstConsumer'),
  storageClass('now', 'example.com/maker', 'Immediate'),
];
const sources = (
  claims: PersistentVolumeClaim[],
  volumes: PersistentVolume[] = [],
  capacities?: CSIStorageCapacity[],
): VolumeSources => ({
  claim: (_namespace, name) => claims.find(({ metadata }) => metadata.name === name),
  volume: name => volumes.find(({ metadata }) => metadata.name === name),
  volumesFor: () => volumes,
  storageClass: name => classes.find(({ metadata }) => metadata.name === name),
  csiNode: () => undefined,
  csiDriver: () => (capacities === undefined ? undefined : { metadata: {}, spec: { storageCapacity: true } }),
  storageCapacities: () => capacities ?? [],
  attachments: () => [],
});
const podWith = (...names: string[]): Pod => ({
  metadata: { name: 'p', namespace: 'default' },
  spec: {
    containers: [],
    volumes: names.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } })),
  },
});
const node = (name: string): Node => {
  const annotations = { 'local-path.k8ts.io/root': name === 'with-folder' ? '/data' : '' };
  return { metadata: { name, labels: { host: name }, annotations }, spec: {} };
};

function plan(
  nodeName: string,
  claims: PersistentVolumeClaim[],
  volumes: PersistentVolume[],
  capacities?: CSIStorageCapacity[],
): string {
  const from = sources(claims, volumes, capacities);
  const found = claimsOf(podWith(...claims.map(({ metadata }) => metadata.name ?? '')), from);
  if (found === undefined) return 'nothing';
  if ('reason' in found) return found.reason;
  const decision = planVolumes(found, node(nodeName), from);
  if (!('bindings' in decision)) return decision.map(({ reason }) => reason).join(', ');
  return [
    ...decision.bindings.map(each => `${each.claim.metadata.name}=${each.volume.metadata.name}`),
    ...decision.provisions.map(each => `make ${each.metadata.name}`),
  ].join(' ');
}

test.each<[string, string, PersistentVolumeClaim[], PersistentVolume[], string]>([
  [
    'the smallest that is large enough',
    'n',
    [claim('c', '2Gi')],
    [volume('xl', '9Gi'), volume('s', '1Gi'), volume('m', '3Gi')],
    'c=m',
  ],
  [
    'two claims get two volumes',
    'n',
    [claim('a', '1Gi'), claim('b', '1Gi')],
    [volume('x', '1Gi'), volume('y', '2Gi')],
    'a=x b=y',
  ],
  [
    'only what the node reaches',
    'n2',
    [claim('c', '1Gi')],
    [volume('x', '1Gi', 'n1'), volume('y', '5Gi', 'n2')],
    'c=y',
  ],
  [
    'none there',
    'n3',
    [claim('c', '1Gi')],
    [volume('x', '1Gi', 'n1')],
    "node(s) didn't find available persistent volumes to bind",
  ],
  [
    'what is kept for another is not taken',
    'n',
    [claim('c', '1Gi')],
    [volume('x', '1Gi', undefined, 'other')],
    "node(s) didn't find available persistent volumes to bind",
  ],
  [
    'what is kept for it goes first',
    'n',
    [claim('c', '1Gi')],
    [volume('x', '1Gi'), volume('y', '5Gi', undefined, 'c')],
    'c=y',
  ],
  ['a node without a folder for volumes', 'n', [claim('c', '1Gi', 'folder')], [], 'node(s) take no local-path volumes'],
  ['a node with a folder for volumes', 'with-folder', [claim('c', '1Gi', 'folder')], [], 'make c'],
  ['a provisioner is told of the node', 'n', [claim('c', '1Gi', 'made')], [], 'make c'],
  ['bound on the node', 'n1', [claim('c', '1Gi', 'local', 'x')], [volume('x', '1Gi', 'n1', 'c')], ''],
  [
    'bound elsewhere',
    'n2',
    [claim('c', '1Gi', 'local', 'x')],
    [volume('x', '1Gi', 'n1', 'c')],
    "node(s) didn't match PersistentVolume's node affinity",
  ],
  [
    'its volume is gone',
    'n',
    [claim('c', '1Gi', 'local', 'x')],
    [],
    'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
  ],
  ['its volume is being made here', 'n', [selected('n')], [], 'make c'],
  [
    'its volume is being made elsewhere',
    'm',
    [selected('n')],
    [volume('x', '1Gi')],
    "node(s) didn't find available persistent volumes to bind",
  ],
  [
    'every reason is told',
    'n2',
    [claim('b', '1Gi', 'local', 'x'), claim('c', '1Gi')],
    [volume('x', '1Gi', 'n1', 'b')],
    "node(s) didn't match PersistentVolume's node affinity, node(s) didn't find available persistent volumes to bind",
  ],
  ['none at all', 'n', [], [], 'nothing'],
  ['not bound yet', 'n', [claim('c', '1Gi', 'now')], [], 'pod has unbound immediate PersistentVolumeClaims'],
])('%s', (_name, nodeName, claims, volumes, expected) => {
  expect(plan(nodeName, claims, volumes)).toBe(expected);
});

test.each([
  { what: 'enough here', capacities: [room('n', '2Gi')], want: 'make c' },
  { what: 'enough elsewhere', capacities: [room('m', '2Gi')], want: NO_ROOM },
  { what: 'too little', capacities: [room('n', '1Mi')], want: NO_ROOM },
  { what: 'too little for so large a one', capacities: [room('n', '9Gi', '1Mi')], want: NO_ROOM },
  { what: 'none that is told of', capacities: [], want: NO_ROOM },
  { what: 'a driver that does not tell', capacities: undefined, want: 'make c' },
])('room for volumes that are made: $what', ({ capacities, want }) => {
  expect(plan('n', [claim('c', '1Gi', 'made')], [], capacities)).toBe(want);
});

test.each([
  {
    what: 'a volume that is there',
    volumes: [volume('x', '4Gi')],
    capacities: undefined,
    want: [{ requested: GI, capacity: 4 * GI }],
  },
  {
    what: 'storage to make it in',
    volumes: [],
    capacities: [room('n', '8Gi')],
    want: [{ requested: GI, capacity: 8 * GI }],
  },
  { what: 'storage of which nothing is told', volumes: [], capacities: undefined, want: [] },
])('storageUse() of $what', ({ volumes, capacities, want }) => {
  const from = sources([claim('c', '1Gi', volumes.length > 0 ? 'local' : 'made')], volumes, capacities);
  const found = claimsOf(podWith('c'), from);
  if (found === undefined || 'reason' in found) throw new Error('no claims');
  const decision = planVolumes(found, node('n'), from);
  if (!('bindings' in decision)) throw new Error('no decision');
  expect([...storageUse(decision, node('n'), from).values()]).toEqual(want);
});

test.each([
  { use: [], want: 0 },
  { use: [[1, 4]], want: 25 },
  {
    use: [
      [1, 4],
      [1, 2],
    ],
    want: 38,
  },
  { use: [[5, 4]], want: 100 },
  { use: [[0, 0]], want: 100 },
])('volumeScore() of $use: $want', ({ use, want }) => {
  const entries = use.map(([requested = 0, capacity = 0], i) => [String(i), { requested, capacity }] as const);
  expect(volumeScore(new Map(entries), utilization => utilization)).toBe(want);
});

test('a claim of the pod’s own is waited for, and nobody else’s is taken for it', () => {
  const subject: Pod = {
    metadata: { name: 'p', namespace: 'default', uid: 'p' },
    spec: { containers: [], volumes: [{ name: 'v', ephemeral: {} }] },
  };
  expect(claimsOf(subject, sources([]))).toMatchObject({
    reason: 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"',
  });
  expect(claimsOf(subject, sources([claim('p-v', '1Gi')]))).toMatchObject({
    reason: 'PVC default/p-v was not created for pod default/p (pod is not owner)',
  });
});

test('a claim that is not there, or goes', () => {
  expect(claimsOf(podWith('c'), sources([]))).toMatchObject({ reason: 'persistentvolumeclaim "c" not found' });
  const going = claim('c', '1Gi');
  going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  expect(claimsOf(podWith('c'), sources([going]))).toMatchObject({
    reason: 'persistentvolumeclaim "c" is being deleted',
  });
});
