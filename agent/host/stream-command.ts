/**
 * Runs one command whose output may be long: it is passed on as it comes, never ahead of who reads it. As `run()`: no shell, a group of its own.
 */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { CommandError } from './command-error.ts';

export interface StreamOptions {
  /** Killed after so many milliseconds, read or not. */
  readonly timeoutMs: number;
  /** Kills the child. */
  readonly signal: AbortSignal;
}

/**
 * Passes what `argv` writes, on both its outputs, to `write`, which resolves when it can take more.
 *
 * @returns its exit code; undefined when it was killed
 * @throws CommandError when there is no such program; what `write` throws
 */
export async function streamCommand(
  argv: readonly string[],
  write: (bytes: Buffer) => Promise<void>,
  { timeoutMs, signal }: StreamOptions,
): Promise<number | undefined> {
  const [file = '', ...args] = argv;
  const startedMs = performance.now();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const timer = setTimeout(kill, timeoutMs);
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    const code = new Promise<number | undefined>((resolve, reject) => {
      child.once('close', exitCode => resolve(exitCode ?? undefined));
      child.once('error', cause => {
        const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'command not found' : cause.message;
        const durationMs = Math.round(performance.now() - startedMs);
        const how = { argv, exitCode: undefined, killedBy: undefined, reason, stdout: '', stderr: '', durationMs };
        reject(new CommandError(how, { cause }));
      });
    });
    await Promise.all([code, pass(child.stdout, write), pass(child.stderr, write)]);
    return await code;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    kill();
  }
}

async function pass(source: Readable, write: (bytes: Buffer) => Promise<void>): Promise<void> {
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) await write(chunk);
  } catch (error) {
    // Destroyed when the child is killed.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
