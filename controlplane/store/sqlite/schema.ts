/**
 * The file's format: one append-only log whose row id is the revision.
 *
 * `log.previous` is the revision of the version before, of the same key (0 if there was none). As (key, previous) is unique,
 * two writes can never follow the same version: compare-and-swap is the index's business. A version is the newest one
 * as long as no row names it as its previous.
 */
import type { SqlDatabase } from './driver.ts';
import { StoreUnavailableError } from '../store.ts';

/** Raised whenever an older k8ts could not read the file any more. */
const FORMAT = 1;
/** "k8ts", so that `file` and a person can tell what this is. */
const APPLICATION_ID = 0x6b387473;

const CREATE = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    previous INTEGER NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    due INTEGER,
    value BLOB
  );
  CREATE UNIQUE INDEX log_key ON log (key, previous);
  CREATE INDEX log_due ON log (due) WHERE due IS NOT NULL;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta (name, value) VALUES ('compacted', 0);
`;

/**
 * Takes the file's lock, checks what it is and creates what is missing.
 *
 * @param checkIntegrity after an unclean stop: look through the whole file
 * @throws StoreUnavailableError, or SQLite's own error
 */
export function prepareSchema(db: SqlDatabase, path: string, checkIntegrity: boolean): void {
  // EXCLUSIVE before the first access: the lock is taken once and held, and no shared-memory file is needed.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  db.exec('PRAGMA auto_vacuum = INCREMENTAL');
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('BEGIN IMMEDIATE');
  try {
    migrate(db, path);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
  if (checkIntegrity) {
    const row = db.prepare<{ quick_check: string }>('PRAGMA quick_check(1)').get();
    if (row?.quick_check !== 'ok') {
      const what = row?.quick_check ?? 'no answer';
      throw new StoreUnavailableError('corrupt', `Store ${path} is damaged: ${what}; restore it from a backup`);
    }
  }
}

function migrate(db: SqlDatabase, path: string): void {
  const format = pragma(db, 'user_version');
  const owner = pragma(db, 'application_id');
  if (format > FORMAT && owner === APPLICATION_ID) {
    throw new StoreUnavailableError(
      'newerFormat',
      `Store ${path} has format ${format}, this version reads up to ${FORMAT}; start the newer k8ts that wrote it`,
    );
  }
  if (format === FORMAT && owner === APPLICATION_ID) return;
  const tables = db.prepare<{ n: number }>('SELECT count(*) AS n FROM sqlite_schema').get();
  if (tables?.n !== 0) {
    throw new StoreUnavailableError('corrupt', `${path} is a SQLite file, but not a k8ts store; choose another path`);
  }
  db.exec(CREATE);
  db.exec(`PRAGMA user_version = ${FORMAT}`);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
}

/** The value of a numeric pragma. */
export function pragma(db: SqlDatabase, name: string): number {
  const row = db.prepare<Record<string, number>>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
}
