import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock } from '../process/clock.ts';
import { silentLogger, type Logger } from '../process/logger.ts';
import { TerminalError } from './reconcile.ts';
import { runReconciler } from './run-reconciler.ts';
import { WorkQueue } from './work-queue.ts';

describe('WorkQueue', () => {
  test('take() gives a key once when it was added twice', async () => {
    const queue = new WorkQueue({ clock: new FakeClock() });
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect([await queue.take(), await queue.take(), queue.depth]).toEqual(['a', 'b', 0]);
  });

  test('take() waits for a key that is in flight until it is done, when it was added meanwhile', async () => {
    const queue = new WorkQueue({ clock: new FakeClock() });
    queue.add('a');
    await queue.take();
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(await queue.take()).toBe('a');
    queue.done('a');
    expect(queue.depth).toBe(0);
  });

  test('tells its observer how long keys waited, those too that had to wait for themselves', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const waited: number[] = [];
    queue.observer = { added: () => {}, retried: () => {}, taken: ms => void waited.push(ms), ended: () => {} };
    queue.add('a');
    await clock.advance(30);
    await queue.take();
    queue.add('a');
    await clock.advance(20);
    queue.done('a');
    await queue.take();
    expect(waited).toEqual([30, 20]);
  });

  test('addAfter() keeps the earliest delay and arms one timer', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 1000);
    queue.addAfter('b', 500);
    queue.addAfter('a', 200);
    queue.addAfter('a', 5000);
    expect([clock.pending, queue.waiting]).toEqual([1, 2]);
    await clock.advance(200);
    expect(await queue.take()).toBe('a');
    await clock.advance(300);
    expect(await queue.take()).toBe('b');
    expect([clock.pending, queue.waiting]).toEqual([0, 0]);
  });

  test('addRateLimited() doubles the delay up to the longest, and forget() starts anew', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock, baseDelayMs: 10, maxDelayMs: 50 });
    for (const delayMs of [10, 20, 40, 50, 50]) {
      queue.addRateLimited('a');
      await clock.advance(delayMs - 2);
      expect(queue.depth).toBe(0);
      await clock.advance(2);
      expect(await queue.take()).toBe('a');
      queue.done('a');
    }
    queue.forget('a');
    expect(queue.failuresOf('a')).toBe(0);
  });

  test('close() wakes those who wait', async () => {
    const queue = new WorkQueue({ clock: new FakeClock() });
    const waiting = queue.take();
    queue.close();
    expect(await waiting).toBeUndefined();
    expect(await queue.take()).toBeUndefined();
  });
});

type Step = { kind: 'change'; key: number } | { kind: 'tick'; ms: number } | { kind: 'release' };

test('runReconciler() never runs a key twice at once and loses no change, whatever happens', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('change' as const), key: fc.nat(3) }),
    fc.record({ kind: fc.constant('tick' as const), ms: fc.nat(100) }),
    fc.record({ kind: fc.constant('release' as const) }),
  );
  const outcomes = fc.infiniteStream(fc.constantFrom('ok', 'later', 'fail', 'terminal'));
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      outcomes,
      fc.integer({ min: 1, max: 4 }),
      async (steps: Step[], ends, workers) => {
        const clock = new FakeClock();
        const queue = new WorkQueue<number>({ clock });
        const changes = [0, 0, 0, 0];
        const seen = [0, 0, 0, 0];
        const active = new Set<number>();
        let held: (() => void)[] = [];
        const reconciler = {
          async reconcile(key: number): Promise<'awaitChange' | { afterMs: number }> {
            expect(active.has(key)).toBe(false);
            active.add(key);
            const at = changes[key] ?? 0;
            await new Promise<void>(resolve => held.push(resolve));
            active.delete(key);
            const end = ends.next().value;
            if (end === 'fail') throw new Error('again');
            // Even a run that gives up has looked.
            seen[key] = at;
            if (end === 'terminal') throw new TerminalError('no use');
            return end === 'later' ? { afterMs: 50 } : 'awaitChange';
          },
        };
        const stop = new AbortController();
        const run = runReconciler({ name: 't', queue, reconciler, workers, clock, logger: silentLogger }, stop.signal);
        for (const s of steps) {
          if (s.kind === 'change') {
            changes[s.key] = (changes[s.key] ?? 0) + 1;
            queue.add(s.key);
          } else if (s.kind === 'tick') await clock.advance(s.ms);
          else held.shift()?.();
          await clock.advance(0);
        }
        for (let i = 0; i < 200 && changes.some((c, k) => c !== seen[k]); i++) {
          for (const release of held.splice(0)) release();
          await clock.advance(1000);
        }
        expect(seen).toEqual(changes);
        stop.abort();
        for (let i = 0; i < 5; i++) {
          for (const release of held.splice(0)) release();
          await clock.advance(0);
        }
        held = [];
        await run;
        expect(active.size).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
});

describe('runReconciler()', () => {
  test('logs the same failure of a key once, and again after a success', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields, message) => warnings.push(message) };
    let broken = true;
    const reconciler = {
      reconcile: async () => {
        if (broken) throw new Error('down');
        return 'awaitChange' as const;
      },
    };
    const stop = new AbortController();
    const run = runReconciler({ name: 't', queue, reconciler, clock, logger }, stop.signal);
    queue.add('a');
    await clock.advance(1000);
    expect(warnings).toHaveLength(1);
    broken = false;
    await clock.advance(60_000);
    broken = true;
    queue.add('a');
    await clock.advance(10);
    expect(warnings).toHaveLength(2);
    stop.abort();
    await run;
  });

  test('does not run a key again after TerminalError until it changes, and says so', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const errors: string[] = [];
    const outcomes: string[] = [];
    let runs = 0;
    const reconciler = {
      reconcile: async () => {
        runs++;
        throw new TerminalError('bad spec');
      },
    };
    const logger: Logger = { ...silentLogger, error: (_f, message) => errors.push(message) };
    const observer = { onReconciled: (_n: string, outcome: string) => outcomes.push(outcome) };
    const stop = new AbortController();
    const run = runReconciler({ name: 't', queue, reconciler, clock, logger, observer }, stop.signal);
    queue.add('a');
    await clock.advance(3_600_000);
    expect([runs, errors.length, outcomes]).toEqual([1, 1, ['terminal']]);
    queue.add('a');
    await clock.advance(1);
    expect(runs).toBe(2);
    stop.abort();
    await run;
  });
});
