import { expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { protectedMetadata } from '../runtime/plan/protected-metadata.ts';
import { CLAIM_FINALIZER, holdsClaims } from './plan.ts';

const at = '2026-01-01T00:00:00Z';

test.each([
  { what: 'new', metadata: {}, inUse: false, want: [CLAIM_FINALIZER] },
  { what: 'new, with another', metadata: { finalizers: ['a/b'] }, inUse: false, want: ['a/b', CLAIM_FINALIZER] },
  { what: 'protected', metadata: { finalizers: [CLAIM_FINALIZER] }, inUse: false, want: undefined },
  {
    what: 'going, in use',
    metadata: { deletionTimestamp: at, finalizers: [CLAIM_FINALIZER] },
    inUse: true,
    want: undefined,
  },
  {
    what: 'going',
    metadata: { deletionTimestamp: at, finalizers: ['a/b', CLAIM_FINALIZER] },
    inUse: false,
    want: ['a/b'],
  },
  { what: 'going, let go', metadata: { deletionTimestamp: at, finalizers: ['a/b'] }, inUse: false, want: undefined },
])('protectedMetadata() of one that is $what', ({ metadata, inUse, want }) => {
  expect(protectedMetadata(metadata, CLAIM_FINALIZER, inUse)?.finalizers).toEqual(want);
});

test.each<{ what: string; metadata: Pod['metadata']; nodeName?: string; want: boolean }>([
  { what: 'waits for a node', metadata: {}, want: false },
  { what: 'has a node', metadata: {}, nodeName: 'n', want: true },
  { what: 'is ending', metadata: { deletionTimestamp: at, deletionGracePeriodSeconds: 30 }, nodeName: 'n', want: true },
  { what: 'is over', metadata: { deletionTimestamp: at, deletionGracePeriodSeconds: 0 }, nodeName: 'n', want: false },
])('holdsClaims() of a pod that $what: $want', ({ metadata, nodeName, want }) => {
  expect(holdsClaims({ metadata, spec: { containers: [], nodeName } })).toBe(want);
});
