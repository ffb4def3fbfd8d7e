import { describe, expect, test } from '@jest/globals';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { boundClaim, boundVolume, planClaim, planVolume, unboundVolume } from './plan.ts';

const volume = (name: string, spec: Partial<PersistentVolume['spec']> = {}, annotations = {}): PersistentVolume => ({
  metadata: { name, annotations },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], ...spec },
  status: { phase: 'Available' },
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
const plan = (subject: PersistentVolumeClaim, volumes: PersistentVolume[], known?: StorageClass, more = {}): string => {
  const made = planClaim({ claim: subject, volumes, storageClass: known, ...more });
  if (made.kind === 'classify') return `classify ${made.storageClassName}`;
  return made.kind === 'bind' ? `bind ${made.volume.metadata.name}` : `${made.kind} ${made.told?.reason}`;
};
const sized = (name: string, storage: string): PersistentVolume => volume(name, { capacity: { storage } });
const selected = { 'volume.kubernetes.io/selected-node': 'n' };
const delayed = (): StorageClass => storageClass('WaitForFirstConsumer');
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
    ['takes the smallest', claim(), [sized('a', '3Gi'), sized('b', '1500Mi'), sized('c', '2Gi')], undefined, 'bind b'],
    ['of equals the first', claim(), [volume('y'), volume('x')], undefined, 'bind x'],
    [
      'none that is looked at just now',
      claim(),
      [{ ...volume('x'), status: { phase: 'Pending' } }],
      undefined,
      'wait FailedBinding',
    ],
    [
      'none that is going',
      claim(),
      [{ ...volume('x'), metadata: { name: 'x', deletionTimestamp: 'now' } }],
      undefined,
      'wait FailedBinding',
    ],
    [
      'the one that is kept for it, whatever its class',
      claim(),
      [volume('x', { claimRef: { ...mine, uid: undefined }, storageClassName: 'other' })],
      undefined,
      'bind x',
    ],
    [
      'and no other if that one is too small',
      claim({ resources: { requests: { storage: '2Gi' } } }),
      [volume('x', { claimRef: mine }), sized('y', '2Gi')],
      undefined,
      'bind y',
    ],
    ['of its attributes', claim({ volumeAttributesClassName: 'gold' }), [volume('x')], undefined, 'wait FailedBinding'],
    [
      'of all its access modes',
      claim({ accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] }),
      [volume('x')],
      undefined,
      'wait FailedBinding',
    ],
    [
      'told where the mode differs',
      claim({ volumeMode: 'Block', storageClassName: 'fast' }),
      [volume('x', { claimRef: mine })],
      storageClass(),
      'wait VolumeMismatch',
    ],
    [
      'of a class that nobody provisions',
      claim({ storageClassName: 'fast' }),
      [],
      storageClass('Immediate', 'kubernetes.io/no-provisioner'),
      'wait ProvisioningFailed',
    ],
    [
      'asks for a volume once its node is known',
      claim({ storageClassName: 'fast' }, selected),
      [],
      delayed(),
      'wait ExternalProvisioning',
    ],
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

test.each([
  { what: 'none named', subject: claim(), volumes: [], want: 'classify best' },
  { what: 'named none on purpose', subject: claim({ storageClassName: '' }), volumes: [], want: 'wait FailedBinding' },
  { what: 'named one', subject: claim({ storageClassName: 'gone' }), volumes: [], want: 'wait ProvisioningFailed' },
  { what: 'a volume without class fits', subject: claim(), volumes: [volume('x')], want: 'bind x' },
])('planClaim() where there is a default class by now, $what: $want', ({ subject, volumes, want }) => {
  expect(plan(subject, volumes, undefined, { defaultClassName: 'best' })).toBe(want);
});

test.each([
  { waitingPods: [], want: 'waiting for first consumer to be created before binding' },
  { waitingPods: ['a'], want: 'waiting for pod a to be scheduled' },
  { waitingPods: ['a', 'b'], want: 'waiting for pods a,b to be scheduled' },
])('planClaim() says what it waits for: $want', ({ waitingPods, want }) => {
  const view = { claim: claim({ storageClassName: 'fast' }), volumes: [], storageClass: delayed(), waitingPods };
  expect(planClaim(view)).toMatchObject({ kind: 'wait', told: { message: want } });
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
    ['its claim does not name it yet', bound(), claim(), 'wait'],
    ['recycled by nobody', bound('Recycle'), undefined, 'Failed'],
    [
      'made for a claim that took another',
      bound('Delete', { 'pv.kubernetes.io/provisioned-by': 'm' }),
      claim({ volumeName: 'y' }),
      'Released',
    ],
    ['kept by its author for a claim that took another', bound(), claim({ volumeName: 'y' }), 'unbind'],
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
  const kept = volume('y', { claimRef: mine });
  expect(unboundVolume(kept).spec.claimRef).toEqual({ namespace: 'default', name: 'c' });
});
