/** Tells that something in one of some directories changed; those that are not there, or were made anew, are followed when asked again. */
import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';

export class WatchedDirectories {
  private readonly onChange: () => void;
  private readonly watchers = new Map<string, { inode: number; watcher: FSWatcher }>();

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** From now on these. @returns whether one is new: what happened in it before is not told */
  async follow(directories: readonly string[]): Promise<boolean> {
    let isNew = false;
    for (const directory of directories) {
      const inode = await stat(directory).then(
        ({ ino }) => ino,
        () => undefined,
      );
      const known = this.watchers.get(directory);
      if (known !== undefined && known.inode === inode) continue;
      known?.watcher.close();
      this.watchers.delete(directory);
      if (inode === undefined) continue;
      try {
        const watcher = watch(directory, { persistent: false }, this.onChange);
        watcher.on('error', () => {
          watcher.close();
          if (this.watchers.get(directory)?.watcher === watcher) this.watchers.delete(directory);
        });
        this.watchers.set(directory, { inode, watcher });
        isNew = true;
      } catch {
        // No more watches are to be had: the regular look finds it, later.
      }
    }
    return isNew;
  }

  close(): void {
    for (const { watcher } of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }
}
