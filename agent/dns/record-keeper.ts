/**
 * Keeps what DNS knows of the cluster on disk, so that a node that is started while the API server is away answers for the names that it knew.
 *
 * - Written some time after a change, as a whole, and when the process ends; nothing is written while nothing changes.
 * - Used only when services are not known some seconds after the start, and only for what exists: what is not in it may be new.
 */
import { readFile } from 'node:fs/promises';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import type { ListerRecords } from './lister-records.ts';
import { readSnapshot, writeSnapshot } from './plan/record-snapshot.ts';
import type { ClusterRecords } from './plan/zone-records.ts';

export interface RecordKeeperOptions {
  readonly path: string;
  readonly records: ListerRecords;
  readonly clock: Clock;
  readonly log: Logger;
}

const WRITE_AFTER_MS = 60_000;
const PATIENCE_MS = 3_000;

export class RecordKeeper {
  private readonly options: RecordKeeperOptions;
  private kept: ClusterRecords | undefined;
  private cancelWrite: (() => void) | undefined;
  private written = '';

  constructor(options: RecordKeeperOptions) {
    this.options = options;
  }

  /** What was known before, if nothing better is; undefined while there is hope, and as soon as services are known. */
  lastKnown(): ClusterRecords | undefined {
    return this.options.records.hasSynced() ? undefined : this.kept;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { records, clock, log, path } = this.options;
    const unfollow = records.follow({
      changed: service => this.touch(service),
      headless: ({ metadata }) => this.touch(metadata.name ?? ''),
    });
    const cancel = clock.after(PATIENCE_MS, () => {
      if (records.hasSynced()) return;
      readFile(path, 'utf8').then(
        text => {
          this.kept = readSnapshot(text);
          if (this.kept !== undefined && !records.hasSynced())
            log.warn({ file: path }, 'services are not known yet: names are answered as they were known before');
        },
        () => {},
      );
    });
    records.synced().then(
      () => (this.kept = undefined),
      () => {},
    );
    await aborted(signal);
    cancel();
    unfollow();
    await this.write();
  }

  private touch(service: string): void {
    if (service === '' || this.cancelWrite !== undefined) return;
    this.cancelWrite = this.options.clock.after(WRITE_AFTER_MS, () => void this.write());
  }

  /** Does nothing if nothing changed, or what there is is not all. */
  private async write(): Promise<void> {
    const { records, path, log } = this.options;
    if (this.cancelWrite === undefined) return;
    this.cancelWrite();
    this.cancelWrite = undefined;
    if (!records.hasSynced()) return;
    const text = writeSnapshot(...records.all());
    if (text === this.written) return;
    try {
      await writeFileAtomic(path, text);
      this.written = text;
    } catch (error) {
      log.warn({ file: path, error: String(error) }, 'what cluster DNS knows could not be kept');
    }
  }
}
