import { describe, expect, test } from '@jest/globals';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { boundClaim, boundVolume, planClaim, planVolume, unboundVolume } from './plan.ts';

const volume = (name: string, spec: Partial<PersistentVolume['spec']> = {}, annotations = {}): PersistentVolume => ({
  metadata: { name, annotations },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], ...spec },
});
const claim = (spec: Partial<PersistentVolumeClaim['spec']> = {}, annotations = {}): PersistentVolumeClaim => ({
  metadata: { name: 'c', namespace: 'default', uid: 'u', annotations },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const storageClass = (volumeBindingMode = 'Immediate', provisioner = 'example.com/maker'): StorageClass => ({
  metadata: { name: 'fast' },
  provisioner,
  volumeBindingMode,
});
const plan = (subject: PersistentVolumeClaim, volumes: PersistentVolume[], known?: StorageClass): string => {
  const made = planClaim({ claim: subject, volumes, storageClass: known });
  return made.kind === 'bind' ? `bind ${made.volume.metadata.name}` : `${made.kind} ${made.told?.reason}`;
};
const completed = { 'pv.kubernetes.io/bind-completed': 'yes' };
const mine = { namespace: 'default', name: 'c', uid: 'u' };

describe('planClaim()', () => {
  test.each<[string, PersistentVolumeClaim, PersistentVolume[], StorageClass | undefined, string]>([
    ['takes what fits', claim(), [volume('x')], undefined, 'bind x'],
    ['of its class alone', claim({ storageClassName: 'fast' }), [volume('x')], undefined, 'wait ProvisioningFailed'],
    [
      'with its labels alone',
      claim({ selector: { matchLabels: { a: 'b' } } }),
      [volume('x')],
      undefined,
      'wait FailedBinding',
    ],
    [
      'large enough',
      claim({ resources: { requests: { storage: '2Gi' } } }),
      [volume('x')],
      undefined,
      'wait FailedBinding',
    ],
    ['of its mode', claim({ volumeMode: 'Block' }), [volume('x')], undefined, 'wait FailedBinding'],
    ['free', claim(), [volume('x', { claimRef: { ...mine, name: 'other' } })], undefined, 'wait FailedBinding'],
    ['asks a provisioner', claim({ storageClassName: 'fast' }), [], storageClass(), 'wait ExternalProvisioning'],
    [
      'waits for a pod',
      claim({ storageClassName: 'fast' }),
      [],
      storageClass('WaitForFirstConsumer'),
      'wait WaitForFirstConsumer',
    ],
    [
      'takes what the scheduler has chosen',
      claim(),
      [volume('x', { claimRef: mine })],
      storageClass('WaitForFirstConsumer'),
      'bind x',
    ],
    ['takes the one it names', claim({ volumeName: 'y' }), [volume('x'), volume('y')], undefined, 'bind y'],
    [
      'unless that does not fit',
      claim({ volumeName: 'y', volumeMode: 'Block' }),
      [volume('y')],
      undefined,
      'wait VolumeMismatch',
    ],
    [
      'or is somebody’s',
      claim({ volumeName: 'y' }),
      [volume('y', { claimRef: { ...mine, uid: 'z' } })],
      undefined,
      'wait FailedBinding',
    ],
    ['stays bound', claim({ volumeName: 'x' }, completed), [volume('x', { claimRef: mine })], undefined, 'bind x'],
    ['is lost with its volume', claim({ volumeName: 'x' }, completed), [], undefined, 'lost ClaimLost'],
    [
      'is lost when another has it',
      claim({ volumeName: 'x' }, completed),
      [volume('x', { claimRef: { ...mine, uid: 'z' } })],
      undefined,
      'lost ClaimMisbound',
    ],
  ])('%s', (_name, subject, volumes, known, expected) => {
    expect(plan(subject, volumes, known)).toBe(expected);
  });
});

describe('planVolume()', () => {
  const bound = (policy?: string, annotations = {}) =>
    volume('x', { claimRef: mine, persistentVolumeReclaimPolicy: policy }, annotations);

  test.each<[string, PersistentVolume, PersistentVolumeClaim | undefined, string]>([
    ['free', volume('x'), undefined, 'Available'],
    ['kept for a claim', volume('x', { claimRef: { ...mine, uid: undefined } }), claim(), 'Available'],
    ['bound', bound(), claim({ volumeName: 'x' }), 'Bound'],
    ['its claim is gone', bound('Retain'), undefined, 'Released'],
    ['its claim is another by now', bound('Retain'), { ...claim(), metadata: { name: 'c', uid: 'z' } }, 'Released'],
    ['nobody can delete it', bound('Delete'), undefined, 'Failed'],
    ['who made it deletes it', bound('Delete', { 'pv.kubernetes.io/provisioned-by': 'm' }), undefined, 'Released'],
    [
      'its claim took another',
      bound(undefined, { 'pv.kubernetes.io/bound-by-controller': 'yes' }),
      claim({ volumeName: 'y' }),
      'unbind',
    ],
  ])('%s', (_name, subject, owner, expected) => {
    const made = planVolume(subject, owner);
    expect(made.kind === 'phase' ? made.phase : made.kind).toBe(expected);
  });
});

test('a binding is written on both sides, once, and can be taken back', () => {
  const named = boundVolume(volume('x'), claim());
  expect(named.spec.claimRef).toMatchObject(mine);
  expect(boundVolume(named, claim())).toBe(named);
  const bound = boundClaim(claim(), named);
  expect(bound.spec.volumeName).toBe('x');
  expect(boundClaim(bound, named)).toBe(bound);
  expect(unboundVolume(named)).toEqual(volume('x'));
});
