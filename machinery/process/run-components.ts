/**
 * Runs the parts of a process: started in order, each when those before it are ready; stopped in reverse order, each when those after it are
 * gone. If a part fails, all stop and the failure is the result.
 */
import type { Clock } from './clock.ts';
import type { Component } from './component.ts';
import type { Logger } from './logger.ts';

export interface RunComponentsOptions {
  components: readonly Component[];
  clock: Clock;
  logger: Logger;
  /** How long a part may take to stop before the next is told to, default 20,000. */
  stopDeadlineMs?: number | undefined;
  /** Called once when every part is ready. */
  onReady?: (() => void) | undefined;
}

interface Started {
  component: Component;
  stop: AbortController;
  ended: Promise<void>;
}

/**
 * Resolves when all parts have stopped after `signal` aborted.
 * @throws what the first part that failed threw, with the part's name in front
 */
export async function runComponents(options: RunComponentsOptions, signal: AbortSignal): Promise<void> {
  const started: Started[] = [];
  const over = new AbortController();
  let failure: Error | undefined;
  const fail = (component: Component, error: unknown): void => {
    failure ??= new Error(`${component.name}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
    over.abort();
  };
  const end = AbortSignal.any([signal, over.signal]);
  for (const component of options.components) {
    if (end.aborted) break;
    const stop = new AbortController();
    const ended = start(component, stop.signal, fail);
    started.push({ component, stop, ended });
    await untilReady(component, end, options, fail);
  }
  if (!end.aborted) options.onReady?.();
  await aborted(end);
  for (const part of started.reverse()) await stopOne(part, options);
  if (failure !== undefined) throw failure;
}

async function start(
  component: Component,
  signal: AbortSignal,
  fail: (c: Component, error: unknown) => void,
): Promise<void> {
  try {
    await component.run(signal);
    if (!signal.aborted) fail(component, new Error('ended though nobody asked it to'));
  } catch (error) {
    if (!signal.aborted) fail(component, error);
  }
}

async function untilReady(
  component: Component,
  end: AbortSignal,
  { clock, logger }: RunComponentsOptions,
  fail: (c: Component, error: unknown) => void,
): Promise<void> {
  const beganMs = clock.monotonicMs();
  try {
    await Promise.race([component.ready(), aborted(end)]);
    if (end.aborted) return;
    logger.info(
      { component: component.name, durationMs: Math.round(clock.monotonicMs() - beganMs) },
      'Component is ready',
    );
  } catch (error) {
    fail(component, error);
  }
}

async function stopOne(part: Started, options: RunComponentsOptions): Promise<void> {
  const { clock, logger, stopDeadlineMs = 20_000 } = options;
  const beganMs = clock.monotonicMs();
  const component = part.component.name;
  part.stop.abort();
  let late = false;
  const cut = new AbortController();
  const deadline = clock.sleep(stopDeadlineMs, cut.signal).then(
    () => (late = true),
    () => undefined,
  );
  await Promise.race([part.ended, deadline]);
  cut.abort();
  if (late)
    logger.error({ component, deadlineMs: stopDeadlineMs }, 'Component did not stop in time; going on without it');
  else logger.debug({ component, durationMs: Math.round(clock.monotonicMs() - beganMs) }, 'Component stopped');
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
