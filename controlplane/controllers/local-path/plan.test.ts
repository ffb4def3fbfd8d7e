import { expect, test } from '@jest/globals';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { nodeNameOf, planProvision, planVolume, PROVISIONER_FINALIZER } from './plan.ts';

const uid = '0a1b2c3d-0000-4000-8000-000000000001';
const name = `pvc-${uid}`;
const selected = { 'volume.kubernetes.io/selected-node': 'n1' };
const asked = { 'volume.kubernetes.io/storage-provisioner': 'k8ts.io/local-path' };
const claim = (spec = {}, annotations: object = { ...asked, ...selected }): PersistentVolumeClaim => ({
  metadata: { namespace: 'x', name: 'c', uid, annotations: { ...annotations } },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const storageClass = (more: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name: 'local-path' },
  provisioner: 'k8ts.io/local-path',
  volumeBindingMode: 'WaitForFirstConsumer',
  ...more,
});
const node = (annotations: Record<string, string> = {}, labels = { 'kubernetes.io/hostname': 'n1' }): Node => ({
  metadata: { name: 'n1', labels, annotations: { 'local-path.k8ts.io/root': '/data', ...annotations } },
  spec: {},
});
const going = { 'local-path.k8ts.io/remove': name };
const gone = { ...going, 'local-path.k8ts.io/removed': name };

function outcome(view: Partial<Parameters<typeof planProvision>[0]>): string {
  const plan = planProvision({
    claim: claim(),
    storageClass: storageClass(),
    node: node(),
    volume: undefined,
    ...view,
  });
  if (plan.kind === 'make') return `make ${plan.volume.spec.local?.path}`;
  return plan.kind === 'refuse' ? `${plan.elsewhere ? 'elsewhere' : 'never'}: ${plan.why.split(/[ :]/)[0]}` : plan.kind;
}

test.each<[string, Parameters<typeof outcome>[0], string]>([
  ['a claim with its node', {}, `make /data/${name}`],
  ['a pod of its own', { claim: claim({ accessModes: ['ReadWriteOncePod'] }) }, `make /data/${name}`],
  ['has a volume', { claim: claim({ volumeName: 'v' }) }, 'none'],
  ['asks another', { claim: claim({}, selected) }, 'none'],
  ['of a class that was changed', { storageClass: storageClass({ provisioner: 'other' }) }, 'none'],
  ['waits for a pod', { claim: claim({}, asked) }, 'none'],
  [
    'is to be bound at once',
    { claim: claim({}, asked), storageClass: storageClass({ volumeBindingMode: 'Immediate' }) },
    'never: no',
  ],
  ['wants a device', { claim: claim({ volumeMode: 'Block' }) }, 'never: volumeMode'],
  ['wants many nodes', { claim: claim({ accessModes: ['ReadWriteMany'] }) }, 'never: access'],
  ['wants certain labels', { claim: claim({ selector: { matchLabels: {} } }) }, 'never: claim.spec.selector'],
  ['wants content', { claim: claim({ dataSource: { kind: 'k', name: 'n' } }) }, 'never: claim.spec.dataSource'],
  ['with parameters', { storageClass: storageClass({ parameters: { nodePath: '/' } }) }, 'never: parameter'],
  ['of no node', { node: undefined }, 'elsewhere: node'],
  ['of a node that takes none', { node: node({ 'local-path.k8ts.io/root': '' }) }, 'elsewhere: node'],
  ['whose folder is just going', { node: node(going) }, 'later'],
  ['whose volume is there', { volume: { metadata: { name }, spec: {} } }, 'none'],
])('planProvision() of a claim: %s', (_what, view, want) => {
  expect(outcome(view)).toBe(want);
});

test('a volume knows its node, by its label or, where that is another, by its name', () => {
  for (const one of [node(), node({}, { 'kubernetes.io/hostname': 'other' })]) {
    const plan = planProvision({ claim: claim(), storageClass: storageClass(), node: one, volume: undefined });
    expect(plan.kind === 'make' && nodeNameOf(plan.volume)).toBe('n1');
  }
});

const finalizers = [PROVISIONER_FINALIZER];
const volume = (metadata: object, phase = 'Released', policy = 'Delete'): PersistentVolume => ({
  metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': 'k8ts.io/local-path' }, finalizers, ...metadata },
  spec: {
    persistentVolumeReclaimPolicy: policy,
    nodeAffinity: { required: { nodeSelectorTerms: [] } },
  },
  status: { phase: phase as 'Bound' },
});
const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z' };

test.each<[string, PersistentVolume, Partial<Parameters<typeof planVolume>[0]>, string]>([
  ['bound', volume({}, 'Bound'), { claim: claim({ volumeName: name }) }, 'none'],
  ['released', volume({}), {}, 'delete'],
  ['released, as somebody reads it, and its claim is there', volume({}), { claim: claim() }, 'none'],
  ['whose claim took another', volume({}), { claim: claim({ volumeName: 'other' }) }, 'delete'],
  ['released and kept', volume({}, 'Released', 'Retain'), {}, 'finalizers'],
  ['without what holds it', volume({ finalizers: [] }, 'Bound'), {}, 'finalizers'],
  ['deleted while bound', volume(deleted, 'Bound'), {}, 'none'],
  ['deleted while its claim has it', volume(deleted, 'Available'), { claim: claim({ volumeName: name }) }, 'none'],
  ['deleted', volume(deleted), {}, 'removeFolder'],
  ['deleted and asked for', volume(deleted), { node: node(going) }, 'removeFolder'],
  ['deleted, and its folder is gone', volume(deleted), { node: node(gone) }, 'letGo'],
  ['deleted, and its node is gone', volume(deleted), { node: undefined }, 'letGo'],
  ['deleted and kept', volume(deleted, 'Released', 'Retain'), {}, 'finalizers'],
  ['of somebody else', volume({ annotations: {} }), {}, 'none'],
])('planVolume() of a volume: %s', (_what, subject, view, want) => {
  expect(planVolume({ volume: subject, claim: undefined, node: node(), ...view }).kind).toBe(want);
});
