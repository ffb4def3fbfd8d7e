/**
 * Gives memory that this process no longer uses back to the kernel.
 *
 * The C library keeps whatever thousands of connections needed, because small pieces that are still in use lie between the free ones: 240 MB
 * stay where 100 MB are used. Asking it to look for whole free pages is cheap, and only done after native memory has grown.
 */
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import { loadMallocTrim } from './libc.ts';

const PERIOD_MS = 30_000;
/** Growth that is not worth looking at. */
const SLACK_BYTES = 24 * 1024 * 1024;

export class UnusedMemory implements Component {
  readonly name = 'unused-memory';
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async ready(): Promise<void> {}

  async run(signal: AbortSignal): Promise<void> {
    let trim: (() => void) | undefined;
    let keptBytes = nativeBytes();
    for (;;) {
      await this.#clock.sleep(PERIOD_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      const bytes = nativeBytes();
      if (bytes < keptBytes + SLACK_BYTES) {
        keptBytes = Math.min(keptBytes, bytes);
        continue;
      }
      trim ??= await loadMallocTrim();
      trim();
      keptBytes = nativeBytes();
    }
  }
}

/** What is resident beside the heap of JavaScript. */
export function nativeBytes(): number {
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}
