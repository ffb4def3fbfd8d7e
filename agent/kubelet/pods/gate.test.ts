import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { Gate } from './gate.ts';

const clock = new FakeClock();

test('Gate lets a limited number run, in order, and hands places on', async () => {
  const gate = new Gate({ limit: 2, clock });
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
  const gate = new Gate({ limit: 1, clock });
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

test('Gate lends a place: an act that hangs delays the next once, and gives no place back twice', async () => {
  const time = new FakeClock();
  const gate = new Gate({ limit: 1, clock: time, patienceMs: 1000 });
  const begun: string[] = [];
  const act = (name: string, done: Promise<void>) => () => {
    begun.push(name);
    return done;
  };
  let end: () => void = () => {};
  const hung = gate.run(act('hung', new Promise<void>(resolve => (end = resolve))));
  const forever = new Promise<void>(() => {});
  void gate.run(act('second', forever));
  void gate.run(act('third', forever));
  await time.advance(999);
  expect(begun).toEqual(['hung']);
  await time.advance(1);
  expect(begun).toEqual(['hung', 'second']);
  end();
  await hung;
  await time.advance(0);
  expect(begun).toEqual(['hung', 'second']);
});
