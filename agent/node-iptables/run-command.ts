/**
 * Runs one packet-filter command to its end. The one place of this package that starts processes.
 *
 * - No shell; the child speaks English (`LC_ALL=C`), since some causes can be told only by what it says.
 * - The child has a process group of its own: a timeout or an abort kills all of it, and an interrupt at the terminal of the
 *   program that uses this does not cut a write in two. One that does not even die (it waits in the kernel) is given up after 2 s.
 * - Input may come in pieces; then no more than a few of them are in memory at a time. If making them fails, the child is killed
 *   before it can take what it has for the whole.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { Readable } from 'node:stream';
import { CommandError } from './command-error.ts';
import type { CommandFailure } from './command-error.ts';
import { failedAt, refusalKind } from './refusal.ts';

/** How commands are run. */
export interface CommandOptions {
  /** Words put before every command: `['nsenter', '--net=/run/netns/a']`. */
  readonly prefix?: readonly string[];
  /** Killed after this; default 60 s, and for those that wait for a lock 30 s more than the wait if that is longer. */
  readonly timeoutMs?: number;
  /** Bound on what is read back; default 256 MiB, which holds the rules of 100,000 services. */
  readonly maxOutputBytes?: number;
  /** Kills the command; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Text for a command, whole or in pieces. */
export type CommandInput = string | Iterable<string>;

/** What a command said. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Which results are no failure besides exit code 0: by exit code, or by looking at them. */
export type Tolerated = readonly number[] | ((result: CommandResult) => boolean);

/** A set, chain or table that was asked for is not there; said in the words of iptables, nft and ipset. */
export const absent = (result: CommandResult): boolean =>
  result.exitCode === 1 &&
  /Error: No such file or directory|does not exist|No chain\/target\/match|^ip6?tables.*: chain `.*' in table `.*' is incompatible/m.test(
    result.stderr,
  );

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** Of what a command complains only the beginning is kept. */
const MAX_STDERR_BYTES = 64 * 1024;
const DYING_MS = 2_000;

/**
 * @param tolerated which failures are none
 * @throws CommandError; the reason of `options.signal` if that ended it
 */
export function runCommand(
  argv: readonly string[],
  input: CommandInput = '',
  options: CommandOptions = {},
  tolerated: Tolerated = [],
): Promise<CommandResult> {
  const full = [...(options.prefix ?? []), ...argv];
  const { signal } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxOutputBytes = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  if (signal?.aborted === true) return Promise.reject(signal.reason as Error);

  return new Promise((resolve, reject) => {
    const child = spawn(full[0] ?? '', full.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stdoutBytes = 0;
    let stderrBytes = 0;
    let stopped: { readonly failure?: CommandFailure; readonly text: string; readonly cause?: unknown } | undefined;
    let giveUp: NodeJS.Timeout | undefined;

    const stop = (why: NonNullable<typeof stopped>): void => {
      if (stopped !== undefined) return;
      stopped = why;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It is gone already.
      }
      giveUp = setTimeout(() => end(-1, null), DYING_MS);
    };
    const timer = setTimeout(
      () => stop({ failure: 'timeout', text: `still running after ${timeoutMs / 1000} s` }),
      timeoutMs,
    );
    const onAbort = (): void => stop({ text: 'aborted', cause: signal?.reason });
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      clearTimeout(giveUp);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (failure: CommandFailure, exitCode: number, said: string, cause?: unknown): void => {
      const at = typeof input === 'string' ? failedAt(said, input) : undefined;
      reject(new CommandError(failure, { argv: full, exitCode, stderr: said, ...at, cause }));
    };
    const end = (code: number | null, killedBy: NodeJS.Signals | null): void => {
      settle();
      for (const pipe of child.stdio) pipe?.destroy();
      child.unref();
      const said = Buffer.concat(stderr).toString();
      const exitCode = code ?? -1;
      if (stopped !== undefined) {
        if (stopped.failure === undefined) reject(stopped.cause as Error);
        else fail(stopped.failure, -1, `${stopped.text}\n${said}`.trim(), stopped.cause);
      } else if (killedBy !== null) fail('killed', -1, `ended by ${killedBy}\n${said}`.trim());
      else {
        const result = { exitCode, stdout: Buffer.concat(stdout).toString(), stderr: said };
        if (exitCode === 0 || isTolerated(result, tolerated)) resolve(result);
        else fail(refusalKind(exitCode, said), exitCode, said);
      }
    };

    child.on('error', cause => {
      settle();
      fail(failureOf(cause), -1, cause.message, cause);
    });
    // Without file descriptors left there are none, and only the event tells.
    if (!hasPipes(child)) return;
    child.stdout.on('data', (data: Buffer) => {
      stdoutBytes += data.length;
      if (stdoutBytes <= maxOutputBytes) stdout.push(data);
      else stop({ failure: 'tooMuchOutput', text: `more than ${maxOutputBytes} bytes` });
    });
    child.stderr.on('data', (data: Buffer) => {
      if (stderrBytes < MAX_STDERR_BYTES) stderr.push(data.subarray(0, MAX_STDERR_BYTES - stderrBytes));
      stderrBytes += data.length;
    });
    child.on('close', end);
    // The command may end before it has read everything; its exit code then says why.
    child.stdin.on('error', () => {});
    if (typeof input === 'string') child.stdin.end(input);
    else feed(input, child.stdin, cause => stop({ text: 'no more input', cause }));
  });
}

/** Why a process could not be started. */
function failureOf({ code }: NodeJS.ErrnoException): CommandFailure {
  if (code === 'ENOENT') return 'missing';
  return code === 'EACCES' || code === 'EPERM' ? 'permission' : 'exhausted';
}

function hasPipes(child: Partial<ChildProcessWithoutNullStreams>): boolean {
  return child.stdio !== undefined;
}

function isTolerated(result: CommandResult, tolerated: Tolerated): boolean {
  return typeof tolerated === 'function' ? tolerated(result) : tolerated.includes(result.exitCode);
}

function feed(input: Iterable<string>, stdin: NodeJS.WritableStream, failed: (cause: unknown) => void): void {
  const pieces = Readable.from(input);
  pieces.on('error', failed);
  pieces.pipe(stdin);
}
