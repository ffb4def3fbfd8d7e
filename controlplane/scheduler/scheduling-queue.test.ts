import { expect, test } from '@jest/globals';
import { FakeClock } from '../../machinery/process/clock.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

const forever = new AbortController().signal;

test('pop() takes the highest priority, then the oldest', async () => {
  const queue = new SchedulingQueue(new FakeClock());
  queue.add('old', 0);
  queue.add('new', 0);
  queue.add('urgent', 10);
  expect([await queue.pop(forever), await queue.pop(forever), await queue.pop(forever)]).toEqual([
    'urgent',
    'old',
    'new',
  ]);
});

test('park() keeps a pod away until something changes, and then its back-off long', async () => {
  const clock = new FakeClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', 0);
  await queue.pop(forever);
  queue.park('a');
  await clock.advance(60_000);
  expect(queue.size).toEqual({ active: 0, backoff: 0, unschedulable: 1 });
  queue.moveAll();
  await clock.advance(999);
  expect(queue.size.active).toBe(0);
  await clock.advance(1);
  expect(await queue.pop(forever)).toBe('a');
});

test('park() does not lose a change that came while the pod was tried', async () => {
  const clock = new FakeClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', 0);
  await queue.pop(forever);
  queue.moveAll();
  queue.park('a');
  expect(queue.size.backoff).toBe(1);
  await clock.advance(1_000);
  expect(await queue.pop(forever)).toBe('a');
});

test('remove() forgets a pod that is queued; added again it is tried once', async () => {
  const queue = new SchedulingQueue(new FakeClock());
  queue.add('a', 0);
  queue.remove('a');
  queue.add('b', 0);
  queue.add('a', 0);
  expect([await queue.pop(forever), await queue.pop(forever)].sort()).toEqual(['a', 'b']);
  expect(queue.size.active).toBe(0);
});

test('pop() ends when the signal aborts', async () => {
  const stop = new AbortController();
  const waiting = new SchedulingQueue(new FakeClock()).pop(stop.signal);
  stop.abort();
  expect(await waiting).toBeUndefined();
});

test('an idle queue holds no timer', async () => {
  const clock = new FakeClock();
  const queue = new SchedulingQueue(clock);
  queue.add('a', 0);
  await queue.pop(forever);
  queue.retry('a');
  expect(clock.pending).toBe(1);
  await clock.advance(1_000);
  await queue.pop(forever);
  queue.done('a');
  expect(clock.pending).toBe(0);
});
