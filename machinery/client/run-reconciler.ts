/**
 * Runs a Reconciler over a WorkQueue with some workers, until told to stop.
 *
 * - One key never runs twice at once; a change that comes while it runs runs it again (the queue's promise).
 * - A failure is logged once a key and text; repeats of it are debug entries until the key succeeds.
 * - Resolves when every run has ended: nothing of it goes on in the background.
 */
import { hasReason } from '../meta/status-error-from.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/logger.ts';
import { TerminalError, type Reconciler } from './reconcile.ts';
import type { WorkQueue } from './work-queue.ts';

/** How one run ended. */
export type ReconcileOutcome = 'success' | 'requeue' | 'error' | 'terminal';

/** Told of every run; for metrics. */
export interface ReconcileObserver {
  /** @param durationMs of the run, without its wait in the queue */
  onReconciled(name: string, outcome: ReconcileOutcome, durationMs: number): void;
}

export interface RunReconcilerOptions<K> {
  /** Names the reconciler in logs and metrics. */
  name: string;
  queue: WorkQueue<K>;
  reconciler: Reconciler<K>;
  /** Keys that may run at once, default 4. */
  workers?: number | undefined;
  clock: Clock;
  logger: Logger;
  observer?: ReconcileObserver | undefined;
}

/** A worker that went on this long without letting I/O happen waits a turn of the event loop. */
const TURN_MS = 10;

/** Closes the queue when `signal` aborts, and resolves once all workers are at rest. */
export async function runReconciler<K>(options: RunReconcilerOptions<K>, signal: AbortSignal): Promise<void> {
  const runner = new Runner(options, signal);
  const close = (): void => options.queue.close();
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  await Promise.all(Array.from({ length: options.workers ?? 4 }, () => runner.work()));
  signal.removeEventListener('abort', close);
}

class Runner<K> {
  private readonly options: RunReconcilerOptions<K>;
  private readonly signal: AbortSignal;
  private readonly lastError = new Map<K, string>();

  constructor(options: RunReconcilerOptions<K>, signal: AbortSignal) {
    this.options = options;
    this.signal = signal;
  }

  async work(): Promise<void> {
    const { queue, clock } = this.options;
    let turnBeganMs = clock.monotonicMs();
    for (;;) {
      if (queue.depth === 0) turnBeganMs = clock.monotonicMs();
      const key = await queue.take();
      if (key === undefined) return;
      await this.runOnce(key);
      queue.done(key);
      if (clock.monotonicMs() - turnBeganMs < TURN_MS) continue;
      await new Promise(resolve => setImmediate(resolve));
      turnBeganMs = clock.monotonicMs();
    }
  }

  private async runOnce(key: K): Promise<void> {
    const { queue, reconciler, clock } = this.options;
    const beganMs = clock.monotonicMs();
    try {
      const result = await reconciler.reconcile(key, this.signal);
      queue.forget(key);
      this.lastError.delete(key);
      if (result === 'awaitChange') return this.observe('success', beganMs);
      queue.addAfter(key, result.afterMs);
      this.observe('requeue', beganMs);
    } catch (error) {
      if (this.signal.aborted) return;
      this.failed(key, error, beganMs);
    }
  }

  private failed(key: K, error: unknown, beganMs: number): void {
    const { queue, name, logger } = this.options;
    const terminal = error instanceof TerminalError;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    // A lost optimistic lock is how concurrent writers meet; the next run sees the newer object.
    const routine = hasReason(error, 'Conflict');
    const level = routine || this.lastError.get(key) === text ? 'debug' : terminal ? 'error' : 'warn';
    this.lastError.set(key, text);
    const fields = { reconciler: name, key, failures: queue.failuresOf(key) + 1, err: error };
    if (terminal) {
      queue.forget(key);
      logger[level](fields, 'Reconcile failed for good; waiting for a change');
      return this.observe('terminal', beganMs);
    }
    queue.addRateLimited(key);
    logger[level](fields, 'Reconcile failed; trying again');
    this.observe('error', beganMs);
  }

  private observe(outcome: ReconcileOutcome, beganMs: number): void {
    const { observer, name, clock } = this.options;
    observer?.onReconciled(name, outcome, clock.monotonicMs() - beganMs);
  }
}
