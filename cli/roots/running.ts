/** A function that runs until it is told to stop, as a component; ready at once unless told otherwise. */
import { aborted } from '../../machinery/process/aborted.ts';
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
  return running(name, signal => aborted(signal).then(stop));
}
