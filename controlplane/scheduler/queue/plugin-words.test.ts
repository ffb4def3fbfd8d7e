import { expect, test } from '@jest/globals';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Plugin, QueuedPod } from '../framework/framework.ts';
import { gateOf, orderOf } from './plugin-words.ts';

const pod = { metadata: { name: 'p' }, spec: { containers: [] } };
const queued = (order: number, priority: number): QueuedPod => ({ pod, order, priority, attempts: 0 });
const failing = (): never => {
  throw new Error('no idea');
};

/** Counts what is told. */
function listening(): { logger: typeof silentLogger; told: () => number } {
  let count = 0;
  return { logger: { ...silentLogger, error: () => void count++ }, told: () => count };
}

test('orderOf() falls back on priority where QueueSort fails, and says so once', () => {
  const { logger, told } = listening();
  const compare = orderOf({ name: 'Sorts', compare: failing }, logger);
  const [older, newer, urgent] = [queued(0, 0), queued(1, 0), queued(2, 10)];
  expect([newer, older, urgent].sort(compare)).toEqual([urgent, older, newer]);
  expect(told()).toBe(1);
});

test('orderOf() is that of QueueSort', () => {
  const latest: Plugin = { name: 'Latest', compare: (a, b) => b.order - a.order };
  expect([queued(0, 9), queued(1, 0)].sort(orderOf(latest, silentLogger)).map(({ order }) => order)).toEqual([1, 0]);
});

test('gateOf() names the first that keeps the pod out, or fails', () => {
  const open: Plugin = { name: 'Open', preEnqueue: () => undefined };
  const shut: Plugin = { name: 'Shut', preEnqueue: () => ({ reason: 'shut', unresolvable: true }) };
  const broken: Plugin = { name: 'Broken', preEnqueue: failing };
  const { logger, told } = listening();
  const gate = (...plugins: Plugin[]): string | undefined =>
    gateOf(
      plugins.map(plugin => ({ plugin, weight: 1 })),
      pod,
      logger,
    );
  expect(gate(open)).toBeUndefined();
  expect(gate(open, shut, broken)).toBe('Shut');
  expect(told()).toBe(0);
  expect(gate(broken, shut)).toBe('Broken');
  expect(told()).toBe(1);
});
