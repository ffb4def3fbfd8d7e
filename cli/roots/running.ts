/** A function that runs until it is told to stop, as a component; ready at once unless told otherwise. */
import type { Component } from '../../machinery/process/component.ts';

export function running(
  name: string,
  run: (signal: AbortSignal) => Promise<void>,
  ready: () => Promise<void> = () => Promise.resolve(),
): Component {
  return { name, run, ready };
}

/** Does nothing until those that were started after it have stopped; then `stop`. */
export function stoppedLast(name: string, stop: () => Promise<void>): Component {
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  return running(name, signal => untilAborted(signal).then(stop));
}
