/**
 * Every statement on the log. Synchronous; knows nothing of durability: callers pass the revision that reads may see.
 */
import {
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  type KeyValue,
  type StoreEvent,
  type WatchBatch,
} from '../store.ts';
import type { SqlDatabase, SqlStatement } from './driver.ts';
import { metaSum, rowSum } from './row-sum.ts';

interface HeadRow {
  revision: number;
  created: number;
  deleted: number;
}

/** A place in the order in which keys come due. */
export interface DuePosition {
  /** Milliseconds since the epoch. */
  readonly due: number;
  readonly revision: number;
}

interface DueKey extends DuePosition {
  readonly key: string;
}

interface LogRow extends HeadRow {
  key: string;
  value: Uint8Array | null;
}

/** A version is visible at a revision if it is no deletion and nothing up to then follows it. */
const VISIBLE = `revision <= ?3 AND deleted = 0 AND NOT EXISTS
  (SELECT 1 FROM log AS s WHERE s.key = log.key AND s.previous = log.revision AND s.revision <= ?3)`;
const NEWEST = `NOT EXISTS (SELECT 1 FROM log AS s WHERE s.key = log.key AND s.previous = log.revision)`;

export class LogTable {
  private readonly headStatement: SqlStatement<HeadRow>;
  private readonly insertStatement: SqlStatement<never>;
  private readonly getStatement: SqlStatement<LogRow>;
  private readonly listStatement: SqlStatement<LogRow>;
  private readonly countStatement: SqlStatement<{ n: number }>;
  private readonly afterStatement: SqlStatement<LogRow>;
  private readonly nextDueStatement: SqlStatement<{ due: number | null }>;
  private readonly dueStatement: SqlStatement<DueKey>;
  private readonly forgetOldStatement: SqlStatement<never>;
  private readonly forgetDeletedStatement: SqlStatement<never>;
  private readonly setCompactedStatement: SqlStatement<never>;
  private readonly newestStatement: SqlStatement<{ newest: number | null; compacted: number }>;

  constructor(db: SqlDatabase) {
    this.headStatement = db.prepare(
      'SELECT revision, created, deleted FROM log WHERE key = ? ORDER BY previous DESC LIMIT 1',
    );
    this.insertStatement = db.prepare(
      'INSERT INTO log (revision, key, previous, created, deleted, due, value, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.getStatement = db.prepare('SELECT * FROM log WHERE key = ? AND revision <= ? ORDER BY previous DESC LIMIT 1');
    this.listStatement = db.prepare(
      `SELECT * FROM log INDEXED BY log_key WHERE key >= ?1 AND key < ?2 AND key > ?5 AND ${VISIBLE} ORDER BY key LIMIT ?4`,
    );
    this.countStatement = db.prepare(
      `SELECT count(*) AS n FROM log INDEXED BY log_key WHERE key >= ?1 AND key < ?2 AND key > ?4 AND ${VISIBLE}`,
    );
    this.afterStatement = db.prepare(
      'SELECT * FROM log WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision LIMIT ?',
    );
    this.nextDueStatement = db.prepare(
      `SELECT due FROM log INDEXED BY log_due WHERE due IS NOT NULL AND (due, revision) > (?, ?) AND ${NEWEST} ORDER BY due, revision LIMIT 1`,
    );
    this.dueStatement = db.prepare(
      `SELECT key, revision, due FROM log INDEXED BY log_due
         WHERE due IS NOT NULL AND (due, revision) > (?1, ?2) AND due <= ?3 AND ${NEWEST} ORDER BY due, revision LIMIT ?4`,
    );
    this.forgetOldStatement = db.prepare(
      `DELETE FROM log WHERE revision IN
         (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0)`,
    );
    this.forgetDeletedStatement = db.prepare('DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1');
    this.setCompactedStatement = db.prepare("UPDATE meta SET value = ?, sum = ? WHERE name = 'compacted'");
    this.newestStatement = db.prepare(
      "SELECT (SELECT max(revision) FROM log) AS newest, (SELECT value FROM meta WHERE name = 'compacted') AS compacted",
    );
  }

  /** The newest revision ever given out (compaction may have removed its row), and the oldest that can be read. */
  newest(): { revision: number; compacted: number } {
    const row = this.newestStatement.get();
    const compacted = row?.compacted ?? 0;
    return { revision: Math.max(1, row?.newest ?? 0, compacted), compacted };
  }

  /** @throws KeyExistsError */
  create(revision: number, key: string, value: Uint8Array, dueMs: number | null): KeyValue {
    const head = this.headStatement.get(key);
    if (head !== undefined && head.deleted === 0) throw new KeyExistsError(key);
    this.insert(revision, key, head?.revision ?? 0, revision, 0, dueMs, value);
    return { key, value: bufferOf(value), revision, createRevision: revision };
  }

  /** @throws KeyNotFoundError, RevisionConflictError */
  update(revision: number, key: string, value: Uint8Array, expected: number, dueMs: number | null): KeyValue {
    const head = this.expectHead(key, expected);
    this.insert(revision, key, head.revision, head.created, 0, dueMs, value);
    return { key, value: bufferOf(value), revision, createRevision: head.created };
  }

  /** @returns what was deleted @throws KeyNotFoundError, RevisionConflictError */
  delete(revision: number, key: string, expected: number | undefined): KeyValue {
    const head = this.expectHead(key, expected);
    const previous = this.get(key, head.revision) as KeyValue;
    this.insert(revision, key, head.revision, head.created, 1, null, null);
    return previous;
  }

  get(key: string, atRevision: number): KeyValue | undefined {
    const row = this.getStatement.get(key, atRevision);
    return row === undefined || row.deleted === 1 ? undefined : keyValueOf(row);
  }

  /** Sorted by key (UTF-8 bytes). */
  list(prefix: string, startAfter: string | undefined, atRevision: number, limit: number): KeyValue[] {
    // SQLite seeks to the greater of the two lower bounds only if that is the one it picked: make both the same.
    const low = startAfter !== undefined && startAfter > prefix ? startAfter : prefix;
    return this.listStatement.all(low, endOf(prefix), atRevision, limit, startAfter ?? '').map(keyValueOf);
  }

  count(prefix: string, startAfter: string | undefined, atRevision: number): number {
    const low = startAfter !== undefined && startAfter > prefix ? startAfter : prefix;
    return this.countStatement.get(low, endOf(prefix), atRevision, startAfter ?? '')?.n ?? 0;
  }

  /** At most `limit` changes with afterRevision < revision <= untilRevision, and how far they reach. */
  after(prefix: string, afterRevision: number, untilRevision: number, limit: number): WatchBatch {
    if (limit === 0) return { events: [], revision: afterRevision };
    const rows = this.afterStatement.all(afterRevision, untilRevision, prefix, endOf(prefix), limit);
    const events = rows.map((row): StoreEvent => {
      const { key, revision } = row;
      return row.deleted === 1
        ? { type: 'delete', key, revision }
        : { type: 'put', key, revision, kv: keyValueOf(row) };
    });
    const last = rows.length < limit ? undefined : rows.at(-1);
    return { events, revision: last?.revision ?? untilRevision };
  }

  /** When the earliest key with a time to live, of those behind `after`, is due. */
  nextDueMs(after: DuePosition): number | undefined {
    return this.nextDueStatement.get(after.due, after.revision)?.due ?? undefined;
  }

  /** At most `limit` keys due until `nowMs`, in order, those behind `after`. */
  due(nowMs: number, limit: number, after: DuePosition): DueKey[] {
    return this.dueStatement.all(after.due, after.revision, nowMs, limit);
  }

  /** Forgets what was replaced or deleted by changes with fromRevision < revision <= toRevision. */
  forget(fromRevision: number, toRevision: number): void {
    this.forgetOldStatement.run(fromRevision, toRevision);
    this.forgetDeletedStatement.run(fromRevision, toRevision);
    this.setCompacted(toRevision);
  }

  /** Nothing before `revision` can be read any more, and none up to it is given out again. */
  setCompacted(revision: number): void {
    this.setCompactedStatement.run(revision, metaSum('compacted', revision));
  }

  private insert(...columns: Parameters<typeof rowSum>): void {
    this.insertStatement.run(...columns, rowSum(...columns));
  }

  private expectHead(key: string, expected: number | undefined): HeadRow {
    const head = this.headStatement.get(key);
    if (head === undefined || head.deleted === 1) throw new KeyNotFoundError(key);
    if (expected !== undefined && head.revision !== expected) {
      throw new RevisionConflictError(key, expected, this.get(key, head.revision) as KeyValue);
    }
    return head;
  }
}

function keyValueOf(row: LogRow): KeyValue {
  const value = row.value === null ? Buffer.alloc(0) : bufferOf(row.value);
  return { key: row.key, value, revision: row.revision, createRevision: row.created };
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** The first string after all that start with `prefix`. */
function endOf(prefix: string): string {
  if (prefix === '') return '\u{10ffff}';
  const last = prefix.codePointAt(prefix.length - 1) as number;
  return prefix.slice(0, -1) + String.fromCodePoint(last + 1);
}
