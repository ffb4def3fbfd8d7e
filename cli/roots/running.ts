/** A function that runs until it is told to stop, as a component; ready at once unless told otherwise. */
import type { Component } from '../../machinery/process/component.ts';

export function running(
  name: string,
  run: (signal: AbortSignal) => Promise<void>,
  ready: () => Promise<void> = () => Promise.resolve(),
): Component {
  return { name, run, ready };
}
