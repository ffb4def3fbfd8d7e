/**
 * Runs one command to its end. The only place of the node agent that starts processes (node-iptables has its own).
 *
 * - No shell: argv goes to execve as it is.
 * - A failure of any sort (exit code, signal, not found, timeout, too much output) is a CommandError; an abort is the
 *   signal's own reason.
 * - The child gets a process group of its own, and a timeout or abort kills the whole group: a grandchild that holds the
 *   pipes open must not keep the caller waiting. A child that does not even die (it waits in the kernel for a disk or a server)
 *   is given up after two seconds.
 */
import { spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { CommandError } from './command-error.ts';

/** How `run` treats its child. */
export interface RunOptions {
  /** Bytes for standard input; without it the child reads /dev/null. */
  readonly input?: string | Uint8Array;
  /** Killed (SIGKILL) after this many milliseconds; default 30,000; 0 means never. */
  readonly timeoutMs?: number;
  /** Kills the child; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bound on standard output and on standard error, each; default 16 MiB. More is a CommandError. */
  readonly maxOutputBytes?: number;
  /** Whole environment of the child; default this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Working directory; default this process's own. */
  readonly cwd?: string;
}

/** What a successful command printed. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** The shape of `run`, so that those who call commands can be given a fake one. */
export type Run = (argv: readonly string[], options?: RunOptions) => Promise<RunResult>;

const DEFAULT_TIMEOUT_MS = 30_000;
/** From SIGKILL on. */
const DYING_MS = 2_000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Runs `argv` and resolves once it ended with code 0 and its output is read.
 *
 * @throws CommandError when it could not be started, failed, was killed, took too long or printed too much
 */
export const run: Run = (argv, options = {}) => {
  const { input, signal, env, cwd } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxOutputBytes = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const [file, ...args] = argv;
  if (file === undefined) return Promise.reject(new TypeError('run() needs a command'));
  if (signal?.aborted) return Promise.reject(signal.reason as Error);

  return new Promise<RunResult>((resolve, reject) => {
    const startedMs = performance.now();
    const child = spawn(file, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
      ...(env === undefined ? {} : { env }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let stopReason: string | undefined;

    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The group is gone already.
      }
      child.stdout?.destroy();
      child.stderr?.destroy();
      giveUpTimer ??= setTimeout(giveUp, DYING_MS);
    };
    let giveUpTimer: NodeJS.Timeout | undefined;
    const giveUp = () => {
      settle();
      child.unref();
      if (signal?.aborted) reject(signal.reason as Error);
      else fail(undefined, undefined, `${stopReason ?? 'killed'}, and it does not die`);
    };
    const stop = (reason: string) => {
      stopReason ??= reason;
      kill();
    };
    const collect = (chunks: Buffer[], name: string) => {
      let bytes = 0;
      return (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxOutputBytes) return stop(`more than ${maxOutputBytes} bytes on ${name}`);
        chunks.push(chunk);
      };
    };
    const timer = timeoutMs > 0 ? setTimeout(() => stop(`still running after ${timeoutMs} ms`), timeoutMs) : undefined;
    const onAbort = () => kill();
    if (signal !== undefined) {
      // One signal may end many commands at once: that is no leak for Node to warn of.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', onAbort, { once: true });
    }
    const settle = () => {
      clearTimeout(timer);
      clearTimeout(giveUpTimer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (
      exitCode: number | undefined,
      killedBy: NodeJS.Signals | undefined,
      reason?: string,
      cause?: unknown,
    ) =>
      reject(
        new CommandError(
          {
            argv,
            exitCode,
            killedBy,
            reason,
            stdout: Buffer.concat(stdout).toString(),
            stderr: Buffer.concat(stderr).toString(),
            durationMs: Math.round(performance.now() - startedMs),
          },
          cause === undefined ? {} : { cause },
        ),
      );

    child.stdout?.on('data', collect(stdout, 'standard output'));
    child.stderr?.on('data', collect(stderr, 'standard error'));
    child.on('error', error => {
      settle();
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      fail(undefined, undefined, missing ? 'command not found' : error.message, error);
    });
    child.on('close', (code, killedBy) => {
      settle();
      if (signal?.aborted) return reject(signal.reason as Error);
      if (code === 0 && stopReason === undefined)
        return resolve({ stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
      fail(code ?? undefined, killedBy ?? undefined, stopReason);
    });
    // A child that closes its input early (EPIPE) is judged by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
};
