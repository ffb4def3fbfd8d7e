/**
 * The few calls that the store needs of SQLite. `@photostructure/sqlite` has the API of `node:sqlite`, which can take its
 * place here once the oldest supported Node has it.
 */
import { errorText } from '../../../machinery/meta/error-text.ts';
import { StoreUnavailableError } from '../store.ts';

type SqlValue = number | string | null | Uint8Array;

export interface SqlStatement<Row> {
  run(...parameters: SqlValue[]): { changes: number };
  get(...parameters: SqlValue[]): Row | undefined;
  all(...parameters: SqlValue[]): Row[];
}

export interface SqlDatabase {
  exec(sql: string): void;
  prepare<Row>(sql: string): SqlStatement<Row>;
  /** Makes a pure function callable from SQL. */
  define(name: string, work: (...parameters: never[]) => number): void;
  /** Folds the write-ahead log into the file and lets everything go. */
  close(): void;
}

/** Opens (and creates) a database file. The native library is loaded at the first call. */
export async function openDatabase(path: string): Promise<SqlDatabase> {
  const { DatabaseSync } = await import('@photostructure/sqlite');
  const db = new DatabaseSync(path);
  return {
    exec: sql => db.exec(sql),
    define: (name, work) => db.function(name, { deterministic: true }, work as (...parameters: unknown[]) => number),
    prepare: <Row>(sql: string) => {
      const statement = db.prepare(sql) as SqlStatement<Row>;
      return {
        run: (...parameters) => statement.run(...parameters),
        get: (...parameters) => statement.get(...parameters),
        all: (...parameters) => {
          try {
            return statement.all(...parameters);
          } catch (error) {
            // The driver's all() drops the result code; the file itself then tells whether it is damaged.
            if (resultCode(error) !== 0) throw error;
            const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
            throw found === 'ok' ? error : damaged(path, found, error);
          }
        },
      };
    },
    close: () => {
      try {
        // The driver finalises statements only when they are collected as garbage, and SQLite keeps the connection and its
        // exclusive lock until then. Leaving WAL mode is what lets an exclusive lock be given back at once.
        db.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema');
      } finally {
        db.close();
      }
    },
  };
}

/** SQLite's primary result codes that mean something to an operator. Source: sqlite.org/rescode.html. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
const IOERR_SHORT_READ = 522;

/** Turns an error of SQLite into what the person who runs the cluster can act on. */
export function unavailable(error: unknown, path: string): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error;
  const code = resultCode(error) & 0xff;
  const said = errorText(error);
  switch (code) {
    case BUSY:
    case LOCKED:
      return locked(path, 'another process', error);
    case FULL:
      return full(path, error);
    case READONLY:
      return new StoreUnavailableError(
        'io',
        `Store ${path} cannot be written: ${said}; check its owner and mount`,
        error,
      );
    case CANTOPEN:
      return new StoreUnavailableError('io', `Store ${path} cannot be opened: ${said}; check folder and rights`, error);
    case CORRUPT:
    case NOTADB:
      return damaged(path, said, error);
    case IOERR:
      if (extendedCode(error) === IOERR_SHORT_READ) return damaged(path, 'it ends before its pages do', error);
      return new StoreUnavailableError('io', `Store ${path} cannot be read or written: ${said}; check its disk`, error);
    default:
      return systemFailure(error, path, said);
  }
}

export function full(path: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    'full',
    `Store ${path} cannot grow: no space left; free some on its disk, and writes go on by themselves`,
    cause,
  );
}

/** @param holder `process 123 (node)` */
export function locked(path: string, holder: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    'locked',
    `Store ${path} is in use by ${holder}; stop that one first (only one may have it open)`,
    cause,
  );
}

function damaged(path: string, said: string, cause: unknown): StoreUnavailableError {
  const what = said.replaceAll(/\s+/g, ' ');
  return new StoreUnavailableError('corrupt', `Store ${path} is damaged: ${what}; restore it from a backup`, cause);
}

/** Failures of the file system, met before SQLite has the file. */
function systemFailure(error: unknown, path: string, said: string): StoreUnavailableError {
  switch (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new StoreUnavailableError('full', `Store ${path} cannot grow: ${said}; free some on its disk`, error);
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new StoreUnavailableError(
        'io',
        `Store ${path} cannot be written: ${said}; check its owner and mount`,
        error,
      );
    default:
      return new StoreUnavailableError('io', `Store ${path} failed: ${said}`, error);
  }
}

function resultCode(error: unknown): number {
  return numberOf(error, 'errcode');
}

function extendedCode(error: unknown): number {
  return numberOf(error, 'sqliteExtendedCode');
}

/** What the driver hangs on its errors; 0 if it is not there. */
function numberOf(error: unknown, property: string): number {
  const value = typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[property] : undefined;
  return typeof value === 'number' ? value : 0;
}
