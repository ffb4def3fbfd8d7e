import { expect, test } from '@jest/globals';
import type { ResourceQuota, ResourceQuotaStatus } from '../../../proto/api/core-v1.ts';
import { planQuota, SETTLE_MS } from './plan.ts';

const secrets = { group: '', resource: 'secrets' };
const there = (n: number) => new Map([[secrets, Array.from({ length: n }, () => ({ metadata: {} }))]]);
const quota = (status?: ResourceQuotaStatus): ResourceQuota => ({
  metadata: { name: 'q' },
  spec: { hard: { secrets: '3' } },
  status,
});
const counted = (used: string, hard = '3'): ResourceQuotaStatus => ({
  hard: { secrets: hard },
  used: { secrets: used },
});

test('a new quota gets its bounds and its sum', () => {
  expect(planQuota(quota(), there(2), 0, 0)).toEqual({ status: counted('2'), afterMs: undefined });
});

test('what is written right is not written again', () => {
  expect(planQuota(quota(counted('2')), there(2), 0, 0)).toEqual({ status: undefined, afterMs: undefined });
});

test('a higher sum is written at once, a lower one when nothing is on its way any more', () => {
  expect(planQuota(quota(counted('1')), there(2), 0, 0).status).toEqual(counted('2'));
  expect(planQuota(quota(counted('3')), there(2), 0, 100)).toEqual({ status: undefined, afterMs: SETTLE_MS - 100 });
  expect(planQuota(quota(counted('3')), there(2), 0, SETTLE_MS).status).toEqual(counted('2'));
});

test('new bounds hold at once, with what admission has counted', () => {
  expect(planQuota(quota(counted('3', '9')), there(2), 0, 0)).toEqual({ status: counted('3'), afterMs: SETTLE_MS });
});
