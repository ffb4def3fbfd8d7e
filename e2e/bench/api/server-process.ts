/** Starts and ends the processes of a server, and finds out when it serves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from './access.ts';
import { RawConnection } from './raw-connection.ts';

const START_MS = 30_000;
const STOP_MS = 20_000;
/** Characters of its log that an error shows. */
const LAST_WORDS = 600;

export interface ServerProcess {
  readonly pid: number;
  stop(): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill9(): Promise<void>;
}

/** @param log what it says goes there */
export function startProcess(argv: readonly string[], log: string): ServerProcess {
  const [program = '', ...args] = argv;
  mkdirSync(dirname(log), { recursive: true });
  const file = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', file, file] });
  const ended = once(child, 'exit');
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  return {
    pid: child.pid,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
    async kill9() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Resolves once the server says that it is ready. @throws Error with its last words, if it does not */
export async function untilReady(access: () => Promise<Access>, log: string): Promise<void> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      const connection = await RawConnection.open(await access());
      await connection.call('GET', '/readyz').finally(() => connection.close());
      return;
    } catch (error) {
      if (performance.now() > end) {
        const said = readFileSync(log, 'utf8').slice(-LAST_WORDS);
        throw new Error(`the server did not become ready within ${START_MS / 1000} s: ${said}`, { cause: error });
      }
      await sleep(20);
    }
  }
}
