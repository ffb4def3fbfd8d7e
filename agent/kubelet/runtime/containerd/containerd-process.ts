/**
 * The one containerd process of a state directory: found again by its pid file, started, stopped.
 *
 * - It is no child in spirit: it runs in a session of its own and outlives us. Who starts after us adopts it if it runs the same
 *   configuration, and replaces it otherwise; containers do not notice either way (their shims hold them).
 * - The pid file names the process by pid and start time, so a pid that came back is never mistaken for it.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { startDaemon } from '../../../host/daemon.ts';
import { readProcess, sendSignal } from '../../../host/processes.ts';

/** What the pid file says. */
export interface ContainerdRecord {
  readonly pid: number;
  readonly startTicks: number;
  /** Of the configuration and program it was started with. */
  readonly configHash: string;
}

/** Where it lives. */
export interface ContainerdProcessOptions {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly logPath: string;
  readonly clock: Clock;
}

const LOOK_AGAIN_MS = 5;
const TERM_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;

export class ContainerdProcess {
  private readonly options: ContainerdProcessOptions;

  constructor(options: ContainerdProcessOptions) {
    this.options = options;
  }

  /** The process that runs now, if any. */
  async find(): Promise<ContainerdRecord | undefined> {
    const record = await this.readRecord();
    if (record === undefined) return undefined;
    return (await this.isAlive(record)) ? record : undefined;
  }

  /** Starts it; it may not answer yet. */
  async start(argv: readonly string[], configHash: string): Promise<ContainerdRecord> {
    const { socketPath, logPath } = this.options;
    // A socket left by a killed containerd would refuse connections until the new one has bound its own.
    await Promise.all([rm(socketPath, { force: true }), rm(`${socketPath}.ttrpc`, { force: true })]);
    const pid = await startDaemon({ argv, logPath });
    const startTicks = (await readProcess(pid))?.startTicks ?? 0;
    const record = { pid, startTicks, configHash };
    await writeFile(this.recordPath(), JSON.stringify(record));
    return record;
  }

  /** Whether that very process runs; a zombie does not. */
  async isAlive(record: ContainerdRecord): Promise<boolean> {
    const process = await readProcess(record.pid);
    return process !== undefined && process.startTicks === record.startTicks && process.state !== 'Z';
  }

  /** Ends it, by SIGKILL if it must be; resolves once it is gone. */
  async stop(record: ContainerdRecord): Promise<void> {
    const { socketPath } = this.options;
    if (await this.isAlive(record)) sendSignal(record.pid, 'SIGTERM');
    if (!(await this.isGoneWithin(record, TERM_TIMEOUT_MS))) {
      sendSignal(record.pid, 'SIGKILL');
      await this.isGoneWithin(record, KILL_TIMEOUT_MS);
    }
    for (const path of [this.recordPath(), socketPath, `${socketPath}.ttrpc`]) await rm(path, { force: true });
  }

  /**
   * Resolves once the process is gone, without polling: it holds a connection to containerd's shim socket, which says nothing
   * of itself and breaks when its owner dies.
   */
  async waitForEnd(record: ContainerdRecord, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.isAlive(record))) {
      await this.connectionEnd(signal);
      await this.options.clock.sleep(LOOK_AGAIN_MS, signal).catch(() => undefined);
    }
  }

  private connectionEnd(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const socket = connect(`${this.options.socketPath}.ttrpc`);
      const end = () => socket.destroy();
      signal.addEventListener('abort', end, { once: true });
      socket.on('error', () => {});
      socket.on('close', () => {
        signal.removeEventListener('abort', end);
        resolve();
      });
      socket.resume();
    });
  }

  private async isGoneWithin(record: ContainerdRecord, timeoutMs: number): Promise<boolean> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + timeoutMs;
    while (clock.monotonicMs() < untilMs) {
      if (!(await this.isAlive(record))) return true;
      await clock.sleep(LOOK_AGAIN_MS);
    }
    return !(await this.isAlive(record));
  }

  private async readRecord(): Promise<ContainerdRecord | undefined> {
    try {
      const { pid, startTicks, configHash } = JSON.parse(await readFile(this.recordPath(), 'utf8')) as ContainerdRecord;
      return { pid, startTicks, configHash };
    } catch {
      return undefined;
    }
  }

  private recordPath(): string {
    return join(this.options.stateDir, 'containerd.pid');
  }
}
