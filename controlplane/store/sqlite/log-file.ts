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
import { close, fdatasync, fsync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { SqlDatabase } from './driver.ts';

const fdatasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);
const closeAsync = promisify(close);

export class LogFile {
  private readonly db: SqlDatabase;
  private readonly logFd: number;
  private readonly databaseFd: number;

  /**
   * Both files must exist and `db` must hold its lock: closing any descriptor of the database file drops the process's
   * POSIX locks on it, so ours lives as long as the connection.
   */
  constructor(db: SqlDatabase, path: string) {
    this.db = db;
    this.databaseFd = openSync(path, 'r+');
    this.logFd = openSync(`${path}-wal`, 'r+');
  }

  /** Resolves once everything committed before the call is durable. */
  async flush(): Promise<void> {
    await fdatasyncAsync(this.logFd);
  }

  /** Makes the files' names durable too; once after opening. */
  async flushNames(path: string): Promise<void> {
    await fsyncAsync(this.databaseFd);
    await fsyncAsync(this.logFd);
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
    this.db.exec('PRAGMA synchronous = OFF');
    try {
      this.db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
    } finally {
      this.db.exec('PRAGMA synchronous = NORMAL');
    }
    try {
      await fdatasyncAsync(this.databaseFd);
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
    } finally {
      await closeAsync(this.databaseFd);
      await closeAsync(this.logFd);
    }
  }
}
