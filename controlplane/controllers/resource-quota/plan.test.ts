import { expect, test } from '@jest/globals';
import type { ResourceQuota, ResourceQuotaStatus } from '../../../proto/api/core-v1.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { addedUsage, planQuota, sumUsage } from './plan.ts';

const quota = (status?: ResourceQuotaStatus): ResourceQuota => ({
  metadata: { name: 'q' },
  spec: { hard: { secrets: '3' } },
  status,
});
const status = (used: string, hard = '3'): ResourceQuotaStatus => ({
  hard: { secrets: hard },
  used: { secrets: used },
});
const amounts = (n: number) => new Map([['secrets', Quantity.of(n)]]);
const NOTHING = amounts(0);

test.each<
  [string, ResourceQuota, number, ReturnType<typeof amounts> | undefined, ResourceQuotaStatus | undefined, boolean]
>([
  ['a new quota gets its bounds and its sum', quota(), 2, undefined, status('2'), false],
  ['what is written right is not written again', quota(status('2')), 2, NOTHING, undefined, false],
  ['more is written at once', quota(status('1')), 2, undefined, status('2'), false],
  ['less is written at once where nothing is on its way', quota(status('3')), 2, NOTHING, status('2'), false],
  ['what was added lately is left in', quota(status('3')), 2, amounts(1), undefined, true],
  ['and only that', quota(status('3')), 1, amounts(1), status('2'), true],
  ['as long as nobody knows, nothing is given back', quota(status('3')), 1, undefined, undefined, true],
  ['new bounds hold at once', quota(status('3', '9')), 2, undefined, status('3'), true],
])('planQuota(): %s', (_name, subject, sum, added, expected, unsettled) => {
  expect(planQuota(subject, amounts(sum), added)).toEqual({ status: expected, unsettled });
});

test('sumUsage() counts what is in scope, by the names of the quota', () => {
  const secrets = { group: '', resource: 'secrets' };
  const counted = new Map([[secrets, [{ metadata: {} }, { metadata: {} }]]]);
  const usageOf = () => new Map([...amounts(1), ['pods', Quantity.of(1)]]);
  expect([...sumUsage(quota(), counted, usageOf)].map(([name, n]) => [name, n.toString()])).toEqual([['secrets', '2']]);
  const scoped = { ...quota(), spec: { hard: { secrets: '3' }, scopes: ['BestEffort'] } };
  expect(sumUsage(scoped, counted, usageOf).get('secrets')?.isZero()).toBe(true);
});

test('addedUsage() is what grew; a name that is new has not', () => {
  const grown = (before: string, now: string) => addedUsage(quota(status(before)), quota(status(now)));
  expect([...grown('1', '3')].map(([name, n]) => [name, n.toString()])).toEqual([['secrets', '2']]);
  expect([...grown('3', '1')]).toEqual([]);
  expect([...addedUsage(quota(), quota(status('1')))]).toEqual([]);
});
