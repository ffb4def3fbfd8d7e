import { expect, test } from '@jest/globals';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
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
    metadata: { name, namespace: 'default', uid: name },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources, volumeName },
  };
}

const storageClass = (name: string, provisioner: string, volumeBindingMode: string): StorageClass => ({
  metadata: { name },
  provisioner,
  volumeBindingMode,
});
const classes = [
  storageClass('local', 'kubernetes.io/no-provisioner', 'WaitForFirstConsumer'),
  storageClass('made', 'example.com/maker', 'WaitForFirstConsumer'),
  storageClass('now', 'example.com/maker', 'Immediate'),
];
const sources = (claims: PersistentVolumeClaim[], volumes: PersistentVolume[] = []): VolumeSources => ({
  claim: (_namespace, name) => claims.find(({ metadata }) => metadata.name === name),
  volume: name => volumes.find(({ metadata }) => metadata.name === name),
  volumes: () => volumes,
  storageClass: name => classes.find(({ metadata }) => metadata.name === name),
  csiNode: () => undefined,
  csiDriver: () => undefined,
});
const podWith = (...names: string[]): Pod => ({
  metadata: { name: 'p', namespace: 'default' },
  spec: {
    containers: [],
    volumes: names.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } })),
  },
});
const node = (name: string): Node => ({ metadata: { name }, spec: {} });

function plan(nodeName: string, claims: PersistentVolumeClaim[], volumes: PersistentVolume[]): string {
  const from = sources(claims, volumes);
  const found = claimsOf(podWith(...claims.map(({ metadata }) => metadata.name ?? '')), from);
  if ('reason' in found) return found.reason;
  const decision = planVolumes(found, node(nodeName), from);
  if ('reason' in decision) return decision.reason;
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
  ['a provisioner is told of the node', 'n', [claim('c', '1Gi', 'made')], [], 'make c'],
  ['bound on the node', 'n1', [claim('c', '1Gi', 'local', 'x')], [volume('x', '1Gi', 'n1', 'c')], ''],
  [
    'bound elsewhere',
    'n2',
    [claim('c', '1Gi', 'local', 'x')],
    [volume('x', '1Gi', 'n1', 'c')],
    "node(s) didn't match PersistentVolume's node affinity",
  ],
  ['not bound yet', 'n', [claim('c', '1Gi', 'now')], [], 'pod has unbound immediate PersistentVolumeClaims'],
])('%s', (_name, nodeName, claims, volumes, expected) => {
  expect(plan(nodeName, claims, volumes)).toBe(expected);
});

test('a claim that is not there, or goes', () => {
  expect(claimsOf(podWith('c'), sources([]))).toMatchObject({ reason: 'persistentvolumeclaim "c" not found' });
  const going = claim('c', '1Gi');
  going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  expect(claimsOf(podWith('c'), sources([going]))).toMatchObject({
    reason: 'persistentvolumeclaim "c" is being deleted',
  });
});
