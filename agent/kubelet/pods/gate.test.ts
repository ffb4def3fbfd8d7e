import { expect, test } from '@jest/globals';
import { Gate } from './gate.ts';

test('Gate lets a limited number run, in order, and hands places on', async () => {
  const gate = new Gate(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const acts = [0, 1, 2, 3].map(i =>
    gate.run(() => {
      begun.push(i);
      return new Promise<void>(resolve => ends.push(resolve));
    }),
  );
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  expect(gate.queued).toBe(2);
  ends[1]?.();
  await acts[1];
  await new Promise(setImmediate);
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await new Promise(setImmediate);
  ends[3]?.();
  await Promise.all(acts);
});

test('Gate lets go of who gives up waiting', async () => {
  const gate = new Gate(1);
  let end: () => void = () => {};
  const first = gate.run(() => new Promise<void>(resolve => (end = resolve)));
  const abort = new AbortController();
  const second = gate.run(() => Promise.resolve('ran'), abort.signal);
  abort.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  end();
  await first;
  await expect(gate.run(() => Promise.resolve('ran'))).resolves.toBe('ran');
});
