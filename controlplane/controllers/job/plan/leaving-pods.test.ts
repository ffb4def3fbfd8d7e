import { expect, test } from '@jest/globals';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { leavingPods } from './leaving-pods.ts';

const NOW = '2026-01-01T00:00:00Z';
const pod = (uid: string, phase: string, deletionTimestamp?: string): Pod => ({
  metadata: { name: uid, uid, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
  spec: { containers: [] },
  status: { phase },
});

test('a pod that was deleted from here is shown as going, since when it does itself if it says so', () => {
  const earlier = '2025-12-31T23:59:00Z';
  const going = leavingPods([pod('a', 'Running')], [pod('b', 'Running'), pod('c', 'Running', earlier)], NOW);
  expect(going).toEqual([pod('b', 'Running', NOW), pod('c', 'Running', earlier)]);
});

test('a pod that changed since it was looked at is not going: it would count as failed, and its work be done again', () => {
  expect(leavingPods([pod('a', 'Pending')], [pod('a', 'Running')], NOW)).toEqual([]);
});
