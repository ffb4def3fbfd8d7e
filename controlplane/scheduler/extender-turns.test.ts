import { expect, test } from '@jest/globals';
import { ExtenderTurns } from './extender-turns.ts';
import type { QueuedPod } from './framework/framework.ts';

const pod = { metadata: {}, spec: { containers: [] } };
const queued = (order: number, priority = 0): QueuedPod => ({ pod, order, priority, attempts: 1 });

test('sixteen are asked about at once; of the others the most important one is next', async () => {
  const turns = new ExtenderTurns((a, b) => b.priority - a.priority || a.order - b.order);
  const asked: number[] = [];
  const answer: (() => void)[] = [];
  const run = (each: QueuedPod): Promise<void> =>
    turns.run(each, () => {
      asked.push(each.order);
      return new Promise(resolve => answer.push(resolve));
    });
  const ended = Array.from({ length: 18 }, (_, i) => run(queued(i)));
  ended.push(run(queued(100, 10)));
  expect(asked).toHaveLength(16);
  for (let i = 0; i < ended.length; i++) {
    answer[i]?.();
    await ended[asked[i] === 100 ? 18 : (asked[i] ?? 0)];
    await Promise.resolve();
  }
  expect(asked.slice(16)).toEqual([100, 16, 17]);
});
