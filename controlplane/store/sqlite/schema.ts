/**
 * The file's format: one append-only log whose row id is the revision.
 *
 * `log.previous` is the revision of the version before, of the same key (0 if there was none). As (key, previous) is unique,
 * two writes can never follow the same version: compare-and-swap is the index's business. A version is the newest one
 * as long as no row names it as its previous. `sum` is the row's checksum (row-sum.ts).
 */
import { StoreUnavailableError } from '../store.ts';
import type { SqlDatabase } from './driver.ts';
import { metaSum, rowSum } from './row-sum.ts';

/** Raised whenever an older k8ts could not read the file any more. */
const FORMAT = 2;
/** "k8ts", so that `file` and a person can tell what this is. */
const APPLICATION_ID = 0x6b387473;

/** As SQLite keeps it, so that a changed byte in the schema shows. */
const OBJECTS = {
  log: `CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    previous INTEGER NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    due INTEGER,
    sum INTEGER NOT NULL,
    value BLOB
  )`,
  log_key: 'CREATE UNIQUE INDEX log_key ON log (key, previous)',
  log_due: 'CREATE INDEX log_due ON log (due) WHERE due IS NOT NULL',
  meta: 'CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID',
};
const SUM_FUNCTIONS = { row_sum: rowSum, meta_sum: metaSum };

/**
 * Takes the file's lock, replays its log, checks what it is, and creates what is missing or brings it up to date.
 * @throws StoreUnavailableError, or SQLite's own error
 */
export function prepareSchema(db: SqlDatabase, path: string): void {
  // EXCLUSIVE before the first access: the lock is taken once and held, and no shared-memory file is needed.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  db.exec('PRAGMA auto_vacuum = INCREMENTAL');
  db.exec('PRAGMA journal_mode = WAL');
  for (const [name, work] of Object.entries(SUM_FUNCTIONS)) db.define(name, work as (...columns: never[]) => number);
  db.exec('BEGIN IMMEDIATE');
  try {
    migrate(db, path);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Looks through the whole file: structure, indexes, and the sum of every row. Some 4 ms for 1,000 objects.
 * @throws StoreUnavailableError corrupt
 */
export function verify(db: SqlDatabase, path: string): void {
  const found = db.prepare<{ integrity_check: string }>('PRAGMA integrity_check(1)').get()?.integrity_check;
  if (found !== 'ok') throw damaged(path, found ?? 'no answer');
  const definition = db.prepare<{ sql: string }>('SELECT sql FROM sqlite_schema WHERE name = ?');
  for (const [name, sql] of Object.entries(OBJECTS)) {
    if (definition.get(name)?.sql !== sql) throw damaged(path, `the definition of ${name} was changed`);
  }
  const row = db
    .prepare<{ revision: number; key: string }>(
      'SELECT revision, key FROM log WHERE row_sum(revision, key, previous, created, deleted, due, value) <> sum LIMIT 1',
    )
    .get();
  if (row !== undefined) throw damaged(path, `the row of revision ${row.revision} (${row.key}) was changed`);
  const meta = db.prepare<{ name: string }>('SELECT name FROM meta WHERE meta_sum(name, value) <> sum').get();
  if (meta !== undefined) throw damaged(path, `the row "${meta.name}" of table meta was changed`);
  const compacted = db.prepare<{ n: number }>("SELECT count(*) AS n FROM meta WHERE name = 'compacted'").get();
  if (compacted?.n !== 1) throw damaged(path, 'the row "compacted" of table meta is missing');
}

function damaged(path: string, what: string): StoreUnavailableError {
  const told = what.replaceAll(/\s+/g, ' ');
  return new StoreUnavailableError('corrupt', `Store ${path} is damaged: ${told}; restore it from a backup`);
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
  if (format === 1 && owner === APPLICATION_ID) addSums(db);
  else if (tables?.n === 0) create(db);
  else {
    throw new StoreUnavailableError('corrupt', `${path} is a SQLite file, but not a k8ts store; choose another path`);
  }
  db.exec(`PRAGMA user_version = ${FORMAT}`);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
}

function create(db: SqlDatabase): void {
  for (const sql of Object.values(OBJECTS)) db.exec(sql);
  db.exec("INSERT INTO meta (name, value, sum) VALUES ('compacted', 0, meta_sum('compacted', 0))");
}

/** Format 1 had no sums. */
function addSums(db: SqlDatabase): void {
  db.exec('ALTER TABLE log RENAME TO log_1; DROP INDEX log_key; DROP INDEX log_due; ALTER TABLE meta RENAME TO meta_1');
  for (const sql of Object.values(OBJECTS)) db.exec(sql);
  db.exec(`INSERT INTO log SELECT revision, key, previous, created, deleted, due,
    row_sum(revision, key, previous, created, deleted, due, value), value FROM log_1 ORDER BY revision`);
  db.exec('INSERT INTO meta SELECT name, value, meta_sum(name, value) FROM meta_1');
  db.exec('DROP TABLE log_1; DROP TABLE meta_1');
}

/** The value of a numeric pragma. */
export function pragma(db: SqlDatabase, name: string): number {
  const row = db.prepare<Record<string, number>>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
}
