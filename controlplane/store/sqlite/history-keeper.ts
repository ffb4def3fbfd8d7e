/**
 * Keeps the file bounded: decides how far history is forgotten, and does so in small steps between batches.
 *
 * - What is older than `keepMs` (5 minutes, as upstream's compactor) goes, and whatever exceeds `maxRevisions`.
 * - The timer is armed only while there is history to forget: an idle store does nothing.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { pragma } from './schema.ts';
import type { SqlDatabase } from './driver.ts';
import type { GroupCommit } from './group-commit.ts';
import type { LogTable } from './log-table.ts';

const STEP_REVISIONS = 250;
/** History may exceed its limit by this much, so that not every write forgets something. */
const SLACK_REVISIONS = 1000;
const VACUUM_STEP_PAGES = 200;
/** Free pages are given back to the file system only past this share of the file: they are needed again soon. */
const FREE_SHARE = 0.25;
const FREE_PAGES = 1000;

export interface HistoryLimits {
  readonly keepMs: number;
  readonly maxRevisions: number;
}

interface HistoryKeeperOptions {
  readonly db: SqlDatabase;
  readonly table: LogTable;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HistoryLimits;
  /** State of the file when it was opened. */
  readonly revision: number;
  readonly compacted: number;
}

export class HistoryKeeper {
  private readonly options: HistoryKeeperOptions;
  private revision: number;
  /** The oldest revision that can be read. */
  compacted: number;
  /** What was current when the timer was armed. */
  private mark = 0;
  private cancel: (() => void) | undefined;
  private target = 0;
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(options: HistoryKeeperOptions) {
    this.options = options;
    this.revision = options.revision;
    this.compacted = options.compacted;
    this.arm();
  }

  /** The store has reached `revision`. */
  noticed(revision: number): void {
    this.revision = revision;
    this.arm();
    const { maxRevisions } = this.options.limits;
    if (revision - Math.max(this.compacted, this.target) > maxRevisions + SLACK_REVISIONS) {
      this.inBackground(revision - maxRevisions);
    }
  }

  /** Forgets what is older than `revision`; resolves when done. */
  async compact(revision: number): Promise<void> {
    this.target = Math.max(this.target, revision);
    // A run that is about to end may have missed the new target: then it takes another.
    while (this.compacted < revision && !this.stopped) {
      this.running ??= this.run().finally(() => (this.running = undefined));
      await this.running;
    }
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private arm(): void {
    if (this.cancel !== undefined || this.stopped || this.revision <= Math.max(1, this.compacted)) return;
    this.mark = this.revision;
    this.cancel = this.options.clock.after(this.options.limits.keepMs, () => {
      this.cancel = undefined;
      this.inBackground(this.mark);
    });
  }

  private inBackground(revision: number): void {
    this.compact(revision).then(
      () => this.arm(),
      (error: unknown) => {
        if (!this.stopped) this.options.logger.warn({ err: error }, 'store history could not be compacted');
      },
    );
  }

  private async run(): Promise<void> {
    const { commits, table } = this.options;
    while (this.compacted < this.target && !this.stopped) {
      const to = Math.min(this.target, this.compacted + STEP_REVISIONS);
      const forget = (): void => table.forget(this.compacted, to);
      await commits.maintain(forget, () => (this.compacted = to));
    }
    await this.shrink();
  }

  private async shrink(): Promise<void> {
    const { commits, db } = this.options;
    const excess = pragma(db, 'freelist_count') - Math.max(FREE_PAGES, pragma(db, 'page_count') * FREE_SHARE);
    for (let left = excess; left > 0 && !this.stopped; left -= VACUUM_STEP_PAGES) {
      await commits.maintain(() => db.exec(`PRAGMA incremental_vacuum(${VACUUM_STEP_PAGES})`));
    }
  }
}
