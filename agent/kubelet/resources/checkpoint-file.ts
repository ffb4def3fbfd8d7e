/** One file that remembers across restarts who has what. Writes follow each other; of several that wait only the newest is written. */
import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomic } from '../../../machinery/process/write-file-atomic.ts';

export class CheckpointFile {
  readonly path: string;
  private next: (() => string) | undefined;
  private writing: Promise<void> | undefined;

  /** @param path absolute; its folder is made */
  constructor(path: string) {
    this.path = path;
  }

  /** Undefined if there is none. @throws the file system's error */
  async read(): Promise<string | undefined> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Resolves once what `text` says at the time of writing, which is now or later, is on the disk.
   * @throws the file system's error
   */
  save(text: () => string): Promise<void> {
    this.next = text;
    this.writing ??= this.writeAll().finally(() => (this.writing = undefined));
    return this.writing;
  }

  remove(): Promise<void> {
    return rm(this.path, { force: true });
  }

  private async writeAll(): Promise<void> {
    // Those who come meanwhile, in the same turn, share the write.
    await Promise.resolve();
    while (this.next !== undefined) {
      const text = this.next;
      this.next = undefined;
      await writeFileAtomic(this.path, text());
    }
  }
}
