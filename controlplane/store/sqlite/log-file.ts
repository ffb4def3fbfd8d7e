/**
 * Makes committed transactions durable without blocking the event loop.
 *
 * SQLite commits into the write-ahead log with synchronous=NORMAL, which leaves that file to the page cache; here it is
 * flushed by fdatasync on a thread of libuv's pool, and only then is the write acknowledged. That is what
 * synchronous=FULL does, except that the thread that serves requests does not stand still meanwhile (and a worker
 * with a connection of its own would cost 9 MB and 0.06 ms a message).
 *
 * A checkpoint copies the log into the database. SQLite would flush both files around it; instead the log is flushed
 * before, the copy is made with synchronous=OFF, and the database is flushed after, in the background. The caller
 * lets no write in between: a write could start the log anew before the copy is safe.
 */
import { close, fdatasync, fsync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { AcknowledgedMark } from './acknowledged-mark.ts';
import type { SqlDatabase, SqlStatement } from './driver.ts';

const fdatasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);
const closeAsync = promisify(close);

/** What SQLite's checkpoint pragma answers: frames in the log, and how many of them the database has. */
interface CheckpointRow {
  readonly log: number;
  readonly checkpointed: number;
}

/** Where the log's header has its salts. */
const SALTS_AT = 16;
const SALTS_BYTES = 8;

export class LogFile {
  private readonly db: SqlDatabase;
  private readonly mark: AcknowledgedMark;
  private readonly lengthStatement: SqlStatement<CheckpointRow>;
  private readonly checkpointStatement: SqlStatement<CheckpointRow>;
  private readonly salts = Buffer.alloc(SALTS_BYTES);
  private revision = 0;
  /** Pages in the log at the last flush. */
  frames = 0;
  private readonly logFd: number;
  private readonly databaseFd: number;

  /**
   * Both files must exist and `db` must hold its lock: closing any descriptor of the database file drops the process's
   * POSIX locks on it, so ours lives as long as the connection.
   */
  constructor(db: SqlDatabase, path: string, mark: AcknowledgedMark) {
    this.db = db;
    this.mark = mark;
    this.lengthStatement = db.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.checkpointStatement = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
    this.databaseFd = openSync(path, 'r+');
    this.logFd = openSync(`${path}-wal`, 'r+');
  }

  /**
   * Resolves once everything committed before the call is durable, and marked as what may be acknowledged now.
   * No transaction may begin until then.
   * @param revision the newest revision that is in it
   */
  async flush(revision: number): Promise<void> {
    await fdatasyncAsync(this.logFd);
    this.revision = revision;
    this.mark.write({ revision, ...this.position() });
  }

  /** Makes the files' names durable too; once after opening, at `revision`. */
  async flushNames(path: string, revision: number): Promise<void> {
    await fsyncAsync(this.databaseFd);
    await fsyncAsync(this.logFd);
    this.revision = revision;
    this.mark.write({ revision, ...this.position() });
    await this.mark.flush();
    const folderFd = openSync(dirname(path), 'r');
    try {
      await fsyncAsync(folderFd);
    } finally {
      await closeAsync(folderFd);
    }
  }

  /**
   * Moves the log into the database. No transaction may be open or begin until it resolves.
   * @returns why the database could not be flushed; nothing more may be written then
   * @throws when the log could not be copied (a full disk): nothing is lost, it is tried again later
   */
  async checkpoint(): Promise<Error | undefined> {
    await fdatasyncAsync(this.logFd);
    let moved;
    this.db.exec('PRAGMA synchronous = OFF');
    try {
      moved = this.checkpointStatement.get();
    } finally {
      this.db.exec('PRAGMA synchronous = NORMAL');
    }
    try {
      await fdatasyncAsync(this.databaseFd);
      if (moved !== undefined && moved.log === moved.checkpointed) {
        this.mark.write({ ...this.position(), frames: 0, folded: this.revision });
        await this.mark.flush();
      }
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Moves the log into the database and removes it, with SQLite's own flushing, and lets the lock go. */
  async close(): Promise<void> {
    try {
      this.db.exec('PRAGMA synchronous = FULL');
      this.db.close();
      this.mark.write({ log: '', frames: 0, folded: this.revision });
    } finally {
      this.mark.close();
      await closeAsync(this.databaseFd);
      await closeAsync(this.logFd);
    }
  }

  /** Which log it is now, and how long. */
  private position(): { log: string; frames: number } {
    const frames = this.lengthStatement.get()?.log ?? 0;
    if (frames <= 0) return { log: '', frames: 0 };
    // SQLite begins the log anew after a checkpoint: then it has other salts.
    readSync(this.logFd, this.salts, 0, SALTS_BYTES, SALTS_AT);
    this.frames = frames;
    return { log: this.salts.toString('hex'), frames };
  }
}
