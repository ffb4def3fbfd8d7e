import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../../machinery/process/clock.ts';
import { AllocatableUpdates } from './allocatable-updates.ts';

test('AllocatableUpdates asks as often as the newest object says, until it says nothing', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const updates = new AllocatableUpdates(clock, () => {
    asked++;
    return Promise.resolve();
  });
  const every = (nodeAllocatableUpdatePeriodSeconds?: number) =>
    updates.follow('d', { metadata: {}, spec: { nodeAllocatableUpdatePeriodSeconds } });
  every();
  expect(clock.pending).toBe(0);
  every(30);
  every(30);
  for (let second = 0; second < 90; second += 30) await clock.advance(30_000);
  expect(asked).toBe(3);
  every(10);
  for (let second = 0; second < 30; second += 10) await clock.advance(10_000);
  expect(asked).toBe(6);
  every();
  expect(clock.pending).toBe(0);
  every(10);
  updates.stop();
  expect(clock.pending).toBe(0);
});
