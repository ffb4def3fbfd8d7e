/**
 * Opens the store's file, or makes it: rights, lock, log, format, contents, in this order. What was acknowledged is there
 * afterwards, or the store is refused and left as it is.
 */
import { chmodSync, closeSync, existsSync, openSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock, type Clock } from '../../../machinery/process/clock.ts';
import { silentLogger, type Logger } from '../../../machinery/process/logger.ts';
import { StoreUnavailableError, type Store } from '../store.ts';
import { acceptLossOf, AcknowledgedMark, markOf, readMark, type Acknowledged } from './acknowledged-mark.ts';
import { checkLog, wayOut } from './check-log.ts';
import { locked, openDatabase, unavailable, type SqlDatabase } from './driver.ts';
import type { HistoryLimits } from './history-keeper.ts';
import { lockHolder } from './lock-holder.ts';
import { LogFile } from './log-file.ts';
import { LogTable } from './log-table.ts';
import { ensurePrivateFolder } from './private-folder.ts';
import { prepareSchema, verify } from './schema.ts';
import { SqliteStore } from './sqlite-store.ts';

/** The log file is cut back to this after a checkpoint. */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const DEFAULT_LIMITS: HistoryLimits = { keepMs: 5 * 60_000, maxRevisions: 20_000 };

export interface SqliteStoreOptions {
  /** The database file; its folder is made if it is missing, and taken for the store alone. */
  readonly path: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How much history is kept for watches and paged lists. */
  readonly history?: HistoryLimits;
}

/** @throws StoreUnavailableError: locked, newerFormat, corrupt, full, io */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, clock = systemClock, logger = silentLogger, history = DEFAULT_LIMITS } = options;
  let db: SqlDatabase | undefined;
  let mark: AcknowledgedMark | undefined;
  try {
    ensurePrivateFolder(dirname(path), logger);
    refuseLocked(path);
    const before = readMarks(path, logger);
    const crashed = prepareFiles(path, before, logger);
    db = await openDatabase(path);
    prepareSchema(db, path);
    verify(db, path);
    const table = new LogTable(db);
    if (before.lossAccepted !== undefined) table.setCompacted(Math.max(before.lossAccepted, table.newest().revision));
    refuseOlder(path, table.newest().revision, before.mark);
    db.exec('PRAGMA wal_autocheckpoint = 0');
    db.exec(`PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES}`);
    db.exec('PRAGMA synchronous = NORMAL');
    mark = new AcknowledgedMark(path);
    const file = new LogFile(db, path, mark);
    // What a killed process had committed may still be only in the page cache: nobody may see it before it is durable.
    await file.flushNames(path, table.newest().revision);
    if (crashed) await settleAfterCrash(file, path, logger);
    rmSync(acceptLossOf(path), { force: true });
    return new SqliteStore({ db, file, table, path, clock, logger, limits: history });
  } catch (error) {
    try {
      mark?.close();
      db?.close();
    } catch {
      // The error that matters is the one that led here.
    }
    throw unavailable(error, path);
  }
}

function refuseLocked(path: string): void {
  const holder = lockHolder(path);
  if (holder !== undefined) throw locked(path, holder);
}

interface Marks {
  /** What has to be there; undefined if that is not known or does not matter any more. */
  readonly mark: Acknowledged | undefined;
  /** Somebody decided to go on without what is lost: up to which revision. */
  readonly lossAccepted: number | undefined;
}

function readMarks(path: string, logger: Logger): Marks {
  const accepted = readMark(acceptLossOf(path));
  if (accepted !== undefined) {
    const lossAccepted = accepted === 'unreadable' ? 0 : accepted.revision;
    logger.warn({ path, revision: lossAccepted }, 'store goes on without changes that were lost, as it was told');
    return { mark: undefined, lossAccepted };
  }
  const mark = readMark(markOf(path));
  if (mark !== 'unreadable') return { mark, lossAccepted: undefined };
  logger.warn(
    { file: markOf(path) },
    'the mark of what was acknowledged is damaged and made anew; the store itself is checked',
  );
  return { mark: undefined, lossAccepted: undefined };
}

/** Makes the file with rights for the owner alone, and looks after its log. @returns whether a process died with it open */
function prepareFiles(path: string, { mark, lossAccepted }: Marks, logger: Logger): boolean {
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const log = `${path}-wal`;
  if (mark !== undefined && size(path) === 0) {
    throw new StoreUnavailableError(
      'corrupt',
      `Store ${path} held a cluster and is ${existsSync(path) ? 'empty' : 'gone'} now; restore it from a backup, or remove ${markOf(path)} to begin a new cluster`,
    );
  }
  if (!existsSync(path)) closeSync(openSync(path, 'ax', 0o600));
  chmodSync(path, 0o600);
  const crashed = size(log) > 0;
  if (lossAccepted !== undefined) return crashed;
  switch (checkLog(path, mark)) {
    case 'discard':
      logger.info({ path }, 'store was not closed cleanly; its log was in the file already');
      truncateSync(log);
      return false;
    case 'repair':
      logger.warn(
        { path },
        'store was not closed cleanly; a write that was never acknowledged is dropped from its log',
      );
      return true;
    case 'keep':
      if (crashed) logger.info({ path }, 'store was not closed cleanly; its log is replayed');
      return crashed;
  }
}

/** @throws StoreUnavailableError corrupt when the file is older than what was acknowledged */
function refuseOlder(path: string, revision: number, mark: Acknowledged | undefined): void {
  if (mark === undefined || revision >= mark.revision) return;
  throw new StoreUnavailableError(
    'corrupt',
    `Store ${path} ends at revision ${revision}, but changes up to revision ${mark.revision} were acknowledged (is it an older copy?). ${wayOut(path)}`,
  );
}

/** Folds the replayed log into the file. A full disk must not keep the cluster from starting: the log stays until it fits. */
async function settleAfterCrash(file: LogFile, path: string, logger: Logger): Promise<void> {
  let unflushed: Error | undefined;
  try {
    unflushed = await file.checkpoint();
  } catch (error) {
    logger.warn({ err: error, path }, 'store log could not be folded into the file yet');
  }
  if (unflushed !== undefined) throw unflushed;
}
