/**
 * systemd's login manager, as far as it tells of the machine's end and lets it wait. Spoken to by systemd's own programs, `busctl` and
 * `systemd-inhibit`: they know its protocol and are wherever it is.
 *
 * - A lock is a child process: it is let go when that ends. Children end with this process, however it dies.
 * Source: systemd.io, "Inhibitor Locks"; logind.conf(5); busctl(1).
 */
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from './exec.ts';

const SERVICE = 'org.freedesktop.login1';
const OBJECT = '/org/freedesktop/login1';
const MANAGER = 'org.freedesktop.login1.Manager';
/** Raises how long a lock may hold the machine's end. */
const DROP_IN = '/etc/systemd/logind.conf.d/99-k8ts.conf';
const CALL_TIMEOUT_MS = 5_000;
const MICROSECONDS = 1_000;
/** Whoever is started by it goes when we go. */
const WITH_US = ['--pdeathsig', 'KILL'];

/** A hold on the machine's end. */
export interface ShutdownLock {
  release(): void;
}

export class Logind {
  /** How long a lock may hold the machine's end. @throws CommandError where there is no logind */
  async longestDelayMs(): Promise<number> {
    const argv = [
      'busctl',
      '--system',
      '--json=short',
      'get-property',
      SERVICE,
      OBJECT,
      MANAGER,
      'InhibitDelayMaxUSec',
    ];
    const { stdout } = await run(argv, { timeoutMs: CALL_TIMEOUT_MS });
    return (JSON.parse(stdout) as { data: number }).data / MICROSECONDS;
  }

  /** Sets it, for as long as the file stays. @throws CommandError, or the file system's error */
  async setLongestDelay(delayMs: number): Promise<void> {
    await mkdir(dirname(DROP_IN), { recursive: true });
    await writeFile(
      DROP_IN,
      `# Pods of this node end in order (k8ts).\n[Login]\nInhibitDelayMaxSec=${Math.ceil(delayMs / 1000)}\n`,
    );
    await this.reload();
  }

  /** Takes back what `setLongestDelay()` set. @returns whether there was anything */
  async restoreLongestDelay(): Promise<boolean> {
    const removed = await rm(DROP_IN).then(
      () => true,
      () => false,
    );
    if (removed) await this.reload().catch(() => undefined);
    return removed;
  }

  /** @param why for people who ask `systemd-inhibit --list` */
  lock(who: string, why: string): ShutdownLock {
    const argv = [
      ...WITH_US,
      'systemd-inhibit',
      '--what=shutdown',
      '--mode=delay',
      `--who=${who}`,
      `--why=${why}`,
      'cat',
    ];
    const child = spawn('setpriv', argv, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    return { release: () => child.stdin.end() };
  }

  /**
   * Tells when the machine is about to end (true), and when that was called off (false). Resolves when the signal aborts.
   * @throws Error when logind can be listened to no more
   */
  async watch(onShutdown: (isShuttingDown: boolean) => void, signal: AbortSignal): Promise<void> {
    const match = `type='signal',sender='${SERVICE}',path='${OBJECT}',interface='${MANAGER}',member='PrepareForShutdown'`;
    const argv = [...WITH_US, 'busctl', '--system', '--json=short', 'monitor', '--match', match];
    const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const stop = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', stop, { once: true });
    let said = '';
    child.stderr.on('data', chunk => (said = `${said}${String(chunk)}`.slice(-1_000)));
    createInterface({ input: child.stdout }).on('line', line => {
      const isShuttingDown = shutdownOf(line);
      if (isShuttingDown !== undefined) onShutdown(isShuttingDown);
    });
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', code => {
        if (signal.aborted) resolve();
        else reject(new Error(`busctl monitor ended with ${code ?? 'a signal'}: ${said.trim()}`));
      });
    }).finally(() => signal.removeEventListener('abort', stop));
  }

  private async reload(): Promise<void> {
    await run(['systemctl', 'kill', '--signal=HUP', 'systemd-logind.service'], { timeoutMs: CALL_TIMEOUT_MS });
  }
}

/** The argument of PrepareForShutdown in a line of `busctl monitor`; undefined for other messages. */
export function shutdownOf(line: string): boolean | undefined {
  try {
    const { member, payload } = JSON.parse(line) as { member?: string; payload?: { data?: unknown[] } };
    const [value] = payload?.data ?? [];
    return member === 'PrepareForShutdown' && typeof value === 'boolean' ? value : undefined;
  } catch {
    return undefined;
  }
}
