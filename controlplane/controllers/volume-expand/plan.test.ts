import { expect, test } from '@jest/globals';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { planGrowth } from './plan.ts';

const name = 'pvc-0a1b2c3d-0000-4000-8000-000000000001';
const claim = (wants: string, has: string | undefined, more = {}): PersistentVolumeClaim => ({
  metadata: { namespace: 'x', name: 'c', uid: 'u' },
  spec: { volumeName: name, resources: { requests: { storage: wants } } },
  status: { phase: 'Bound', ...(has === undefined ? {} : { capacity: { storage: has } }), ...more },
});
const volume = (source: object, by?: string, size = '1Gi'): PersistentVolume => ({
  metadata: { name, annotations: by === undefined ? {} : { 'pv.kubernetes.io/provisioned-by': by } },
  spec: { capacity: { storage: size }, claimRef: { namespace: 'x', name: 'c', uid: 'u' }, ...source },
});
const csi = { csi: { driver: 'd.example', volumeHandle: 'h' } };
const local = (size?: string): PersistentVolume => volume({ local: { path: '/x' } }, 'k8ts.io/local-path', size);

test.each([
  { what: 'has what it wants', subject: claim('1Gi', '1Gi'), of: local(), want: 'none' },
  { what: 'wants less', subject: claim('1Gi', '2Gi'), of: local(), want: 'none' },
  { what: 'is not bound', subject: claim('2Gi', '1Gi', { phase: 'Pending' }), of: local(), want: 'none' },
  { what: 'does not tell what it has', subject: claim('2Gi', undefined), of: local(), want: 'none' },
  { what: 'has a CSI volume', subject: claim('2Gi', '1Gi'), of: volume(csi), want: 'external Normal' },
  { what: 'has a disk', subject: claim('2Gi', '1Gi'), of: volume({ local: { path: '/d' } }), want: 'external Warning' },
  { what: 'has a folder', subject: claim('2Gi', '1Gi'), of: local(), want: 'grow, the volume first' },
  { what: 'has a folder that says so', subject: claim('2Gi', '1Gi'), of: local('2Gi'), want: 'grow' },
])('planGrowth() of a claim that $what: $want', ({ subject, of, want }) => {
  const plan = planGrowth(subject, of);
  const more =
    plan.kind === 'external' ? ` ${plan.type}` : plan.kind === 'grow' && plan.volume ? ', the volume first' : '';
  expect(plan.kind + more).toBe(want);
});

test('planGrowth() leaves nothing of an earlier try', () => {
  const conditions = [{ type: 'Resizing', status: 'True' }];
  const plan = planGrowth(
    claim('2Gi', '1Gi', { conditions, allocatedResourceStatuses: { storage: 'ControllerResizeInProgress' } }),
    local(),
  );
  expect(plan).toMatchObject({ volume: { spec: { capacity: { storage: '2Gi' } } } });
  expect(plan.kind === 'grow' && plan.status).toEqual({
    phase: 'Bound',
    capacity: { storage: '2Gi' },
    allocatedResources: { storage: '2Gi' },
  });
});
