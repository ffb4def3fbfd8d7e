/** Waits for a condition of the world outside, for so long and no longer, and says what it saw last. */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText } from '../../machinery/meta/error-text.ts';

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/**
 * Calls `look` until it gives something else than undefined or false. A throw of `look` counts as "not yet".
 * @param what completes "waited for ..."
 * @throws Error with what was seen last
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 30_000, everyMs = 100 }: WaitOptions = {},
): Promise<T> {
  const untilMs = performance.now() + timeoutMs;
  let last: unknown = 'nothing';
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > untilMs) {
      const cause = last instanceof Error ? { cause: last } : {};
      const text = errorText(last);
      throw new Error(`waited ${timeoutMs} ms for ${what}; last: ${text}`, cause);
    }
    await sleep(everyMs);
  }
}
