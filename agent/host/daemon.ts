/**
 * Starts a process that outlives this one: own session, no inherited pipes, output appended to a file.
 *
 * - It has the usual umask, 022, whatever ours is.
 * - O_APPEND, so that the file can be cut while the daemon writes (rotateLog).
 */
import { spawn } from 'node:child_process';
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import { CommandError } from './command-error.ts';

/** What to start. */
export interface DaemonOptions {
  readonly argv: readonly string[];
  readonly logPath: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Starts it and gives its pid as soon as it runs its program.
 * @throws CommandError when there is no such program
 */
export async function startDaemon(options: DaemonOptions): Promise<number> {
  const { argv, logPath, env } = options;
  const [file = '', ...args] = argv;
  const startedMs = performance.now();
  const log = await open(logPath, 'a', 0o640);
  try {
    return await new Promise<number>((resolve, reject) => {
      // Ours may be stricter; containerd would make image roots with it that users other than root cannot enter.
      const ours = process.umask(0o022);
      const child = spawn(file, args, {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        cwd: '/',
        env: withoutOwnService(env ?? process.env),
      });
      process.umask(ours);
      child.once('spawn', () => {
        child.unref();
        if (child.pid !== undefined) resolve(child.pid);
      });
      child.once('error', cause => {
        const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
        const reason = missing ? 'command not found' : cause.message;
        const durationMs = Math.round(performance.now() - startedMs);
        reject(
          new CommandError(
            { argv, exitCode: undefined, killedBy: undefined, reason, stdout: '', stderr: '', durationMs },
            { cause },
          ),
        );
      });
    });
  } finally {
    await log.close();
  }
}

/** systemd must not take its READY=1 for ours, nor hand it our sockets. */
function withoutOwnService(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  const ours = new Set([
    'NOTIFY_SOCKET',
    'WATCHDOG_PID',
    'WATCHDOG_USEC',
    'LISTEN_PID',
    'LISTEN_FDS',
    'LISTEN_FDNAMES',
  ]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.has(name)));
}

/** Keeps a daemon's log bounded: past `maxBytes` it becomes PATH.1 (replacing the one there) and starts empty. */
export async function rotateLog(path: string, maxBytes: number): Promise<boolean> {
  const size = await stat(path).then(
    s => s.size,
    () => 0,
  );
  if (size <= maxBytes) return false;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  return true;
}
