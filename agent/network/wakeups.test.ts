import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../machinery/process/clock.ts';
import { Wakeups } from './wakeups.ts';

/** Whether a wait of a minute ended, asked after each step. */
function waiting(wakeups: Wakeups): { done: boolean } {
  const state = { done: false };
  void wakeups.wait(60_000).then(() => (state.done = true));
  return state;
}
const settled = () => new Promise(resolve => setImmediate(resolve));

describe('Wakeups', () => {
  test('a wish is looked after at once, a disturbance when it has settled', async () => {
    const clock = new FakeClock();
    const wakeups = new Wakeups(clock);
    expect(wakeups.begin()).toBe(false);
    const first = waiting(wakeups);
    wakeups.wake();
    await settled();
    expect(first.done).toBe(true);
    wakeups.begin();
    const second = waiting(wakeups);
    wakeups.disturb();
    await settled();
    expect(second.done).toBe(false);
    await clock.advance(20);
    await settled();
    expect(second.done).toBe(true);
    expect(wakeups.begin()).toBe(true);
  });

  test('what comes during a look is for the next', async () => {
    const wakeups = new Wakeups(new FakeClock());
    wakeups.begin();
    wakeups.wake();
    const next = waiting(wakeups);
    await settled();
    expect(next.done).toBe(true);
  });

  test('who undoes every repair is answered ever later', async () => {
    const clock = new FakeClock();
    const wakeups = new Wakeups(clock);
    const gaps: number[] = [];
    for (let i = 0; i < 10; i++) {
      wakeups.begin();
      wakeups.repaired(1);
      const wait = waiting(wakeups);
      wakeups.disturb();
      const fromMs = clock.monotonicMs();
      while (!wait.done) {
        await clock.advance(50);
        await settled();
      }
      gaps.push(clock.monotonicMs() - fromMs);
    }
    expect(gaps[0]).toBe(100);
    expect([...gaps].sort((a, b) => a - b)).toEqual(gaps);
    expect(gaps.at(-1)).toBe(10_000);
  });
});
