/**
 * Opens the store's file, or makes it: rights, lock, format, repair after a crash, in this order.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock, type Clock } from '../../../machinery/process/clock.ts';
import { silentLogger, type Logger } from '../../../machinery/process/logger.ts';
import { writeFileAtomic } from '../../../machinery/process/write-file-atomic.ts';
import { StoreUnavailableError, type Store } from '../store.ts';
import { openDatabase, unavailable } from './driver.ts';
import type { HistoryLimits } from './history-keeper.ts';
import { LogFile } from './log-file.ts';
import { prepareSchema } from './schema.ts';
import { SqliteStore } from './sqlite-store.ts';

/** The log file is cut back to this after a checkpoint. */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const DEFAULT_LIMITS: HistoryLimits = { keepMs: 5 * 60_000, maxRevisions: 20_000 };

export interface SqliteStoreOptions {
  /** The database file; its folder is made if it is missing. */
  readonly path: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How much history is kept for watches and paged lists. */
  readonly history?: HistoryLimits;
}

/** @throws StoreUnavailableError: locked, newerFormat, corrupt, full, io */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, clock = systemClock, logger = silentLogger, history = DEFAULT_LIMITS } = options;
  const crashed = createFile(path);
  let db;
  try {
    db = await openDatabase(path);
    prepareSchema(db, path, crashed);
    db.exec('PRAGMA wal_autocheckpoint = 0');
    db.exec(`PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES}`);
    db.exec('PRAGMA synchronous = NORMAL');
    const file = new LogFile(db, path);
    // What a killed process had committed may still be only in the page cache: nobody may see it before it is durable.
    await file.flushNames(path);
    if (crashed) await settleAfterCrash(file, path, logger);
    await markUsed(path);
    return new SqliteStore({ db, file, path, clock, logger, limits: history });
  } catch (error) {
    try {
      db?.close();
    } catch {
      // The error that matters is the one that led here.
    }
    throw unavailable(error, path);
  }
}

/** Folds the replayed log into the file. A full disk must not keep the cluster from starting: the log stays until it fits. */
async function settleAfterCrash(file: LogFile, path: string, logger: Logger): Promise<void> {
  logger.info({ path }, 'store was not closed cleanly; its log was replayed and checked');
  let unflushed: Error | undefined;
  try {
    unflushed = await file.checkpoint();
  } catch (error) {
    logger.warn({ err: error, path }, 'store log could not be folded into the file yet');
  }
  if (unflushed !== undefined) throw unflushed;
}

/** Stands beside a store that once held a cluster, so that a file that got lost is not taken for a first start. */
function markOf(path: string): string {
  return `${path}.used`;
}

async function markUsed(path: string): Promise<void> {
  if (!existsSync(markOf(path)))
    await writeFileAtomic(markOf(path), 'a cluster is kept in the file beside this one\n', 0o600);
}

/** @throws StoreUnavailableError corrupt when a file that held a cluster is gone or empty */
function refuseLoss(path: string): void {
  const isEmpty = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
  if (!existsSync(markOf(path)) || !isEmpty(path) || !isEmpty(`${path}-wal`)) return;
  throw new StoreUnavailableError(
    'corrupt',
    `Store ${path} held a cluster and is ${existsSync(path) ? 'empty' : 'gone'} now; restore it from a backup, or remove ${markOf(path)} to begin a new cluster`,
  );
}

/** Makes folder and file with rights for the owner alone. @returns whether a process died with the file open */
function createFile(path: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    refuseLoss(path);
    if (!existsSync(path)) closeSync(openSync(path, 'ax', 0o600));
    chmodSync(path, 0o600);
    const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
    return log !== undefined && log.size > 0;
  } catch (error) {
    throw unavailable(error, path);
  }
}
