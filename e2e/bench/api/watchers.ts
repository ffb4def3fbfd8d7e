/** Watches in a second process, so that reading them does not slow down who writes. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Summary } from '../figures.ts';
import type { Access } from './access.ts';

export interface WatchersTask {
  readonly access: Access;
  /** Watches begin there. */
  readonly resourceVersion: string;
  readonly watchers: number;
  /** 1: HTTP/1.1, each watch its own connection; more: HTTP/2. */
  readonly perConnection: number;
  /** How many each of them is to see. */
  readonly events: number;
}

export interface WatchersResult {
  readonly delivered: number;
  readonly of: number;
  readonly lagMs: Summary;
}

/** Resolves once all are open. @returns resolves once everything came, or nothing comes any more */
export async function openWatchers(task: WatchersTask): Promise<() => Promise<WatchersResult>> {
  const child = fork(fileURLToPath(new URL('./watchers/main.ts', import.meta.url)), { execArgv: ['--import', 'tsx'] });
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`the watching process ended with ${String(code)}`);
  });
  died.catch(() => {});
  child.send(task);
  await Promise.race([once(child, 'message'), died]);
  const result = once(child, 'message').then(([message]) => message as WatchersResult);
  return () => Promise.race([result, died]);
}
