/**
 * Decides when the log is moved into the database: when it has grown, and when the disk is full, since the log's own space can then be
 * used again, and the database's free pages too.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { GroupCommit } from './group-commit.ts';
import type { LogFile } from './log-file.ts';

/** 8 MB. */
const LOG_PAGES = 2000;
/** On a full disk, how often it is tried. */
const MAKE_ROOM_EVERY_MS = 1000;

interface CheckpointerOptions {
  readonly file: LogFile;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Checkpointer {
  private readonly options: CheckpointerOptions;
  private dueAtPages = LOG_PAGES;
  private madeRoomAtMs = -Infinity;

  constructor(options: CheckpointerOptions) {
    this.options = options;
  }

  /** Something was written. */
  noticed(): void {
    if (this.options.file.frames >= this.dueAtPages) this.request();
  }

  /** Something could not be written for lack of space. */
  makeRoom(): void {
    const nowMs = this.options.clock.now();
    if (nowMs - this.madeRoomAtMs < MAKE_ROOM_EVERY_MS) return;
    this.madeRoomAtMs = nowMs;
    this.request();
  }

  private request(): void {
    const { file, commits, logger } = this.options;
    // If it fails it is tried again when there is as much again.
    this.dueAtPages = file.frames + LOG_PAGES;
    commits
      .between(async () => {
        const unflushed = await file.checkpoint();
        if (unflushed === undefined) this.dueAtPages = LOG_PAGES;
        else commits.fail(unflushed);
      })
      .catch((error: unknown) => logger.warn({ err: error }, 'store log could not be moved into the file'));
  }
}
