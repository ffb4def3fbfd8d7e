/**
 * Keeps container logs within bounds. Every `containerLogMonitorInterval` one stat call for each running container, nothing more.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { planRotation, type LogRotationPolicy } from './plan/log-rotation.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';

export interface LogRotatorOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: LogRotationPolicy;
  readonly everyMs: number;
  /** Logs that are rotated at once. */
  readonly workers: number;
}

/** The runtime's: a log may hold secrets. */
const LOG_MODE = 0o640;

export class LogRotator {
  private readonly options: LogRotatorOptions;

  constructor(options: LogRotatorOptions) {
    this.options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs } = this.options;
    while (!signal.aborted) {
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.lookOnce();
    }
  }

  /** One round. Never throws. */
  async lookOnce(): Promise<void> {
    const { cache, workers } = this.options;
    const logs = cache
      .views()
      .flatMap(view => view.containers)
      .filter(({ state, logPath }) => state === 'running' && logPath !== '');
    const work = async (): Promise<void> => {
      for (let next = logs.shift(); next !== undefined; next = logs.shift()) await this.look(next.id, next.logPath);
    };
    await Promise.all(Array.from({ length: Math.min(workers, logs.length) }, work));
  }

  private async look(containerId: string, path: string): Promise<void> {
    const { policy, logger } = this.options;
    try {
      const { size } = await stat(path);
      if (size > policy.maxBytes) await this.rotate(containerId, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      logger.warn({ err: error, log: path }, 'Cannot rotate a container log');
    }
  }

  private async rotate(containerId: string, path: string): Promise<void> {
    const { runtime, clock, policy } = this.options;
    const folder = dirname(path);
    const plan = planRotation(basename(path), await readdir(folder), policy, clock.now());
    for (const name of plan.remove) await unlink(join(folder, name));
    for (const name of plan.compress) await compress(join(folder, name));
    await rename(path, join(folder, plan.rotateTo));
    try {
      await runtime.reopenContainerLog(containerId);
    } catch (error) {
      // The container still writes to the moved file: give it its name back, or its log is lost to readers.
      await rename(join(folder, plan.rotateTo), path);
      throw error;
    }
  }
}

async function compress(path: string): Promise<void> {
  const half = `${path}.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(half, { mode: LOG_MODE }));
  await rename(half, `${path}.gz`);
  await unlink(path);
}
