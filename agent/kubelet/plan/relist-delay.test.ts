import { expect, test } from '@jest/globals';
import { relistDelayMs } from './relist-delay.ts';

test.each([
  [0, false, 250],
  [3_000, false, 333],
  [45_000, false, 5_000],
  [3_600_000, false, 10_000],
  [0, true, 250],
  [3_600_000, true, 1_000],
])('relistDelayMs(%d, %s) is %d', (quietMs, expectsEnds, expected) => {
  expect(relistDelayMs(quietMs, expectsEnds)).toBe(expected);
});
