/** Hears of a log's changes: of its file and folder by inotify, of its container from the kubelet. Nothing is polled. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** How the stream hears that the container may have ended. */
export interface LogFollow {
  isRunning(): boolean;
  /** Calls `onChange` after each change of the container; the returned function ends it. */
  watch(onChange: () => void): () => void;
}

export class LogChanges {
  private readonly stop: () => void;
  private changed = false;
  private wake: (() => void) | undefined;

  /** @throws Error when the machine has no inotify watch left */
  constructor(path: string, follow: LogFollow) {
    const onChange = (): void => {
      this.changed = true;
      this.wake?.();
    };
    const name = basename(path);
    const watcher = watch(dirname(path), (_event, file) => {
      if (file === name) onChange();
    });
    watcher.on('error', onChange);
    const unwatch = follow.watch(onChange);
    this.stop = () => {
      watcher.close();
      unwatch();
    };
  }

  /** Resolves when something changed since the last time, or the signal aborted. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.changed && !signal.aborted) {
      await new Promise<void>(resolve => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.wake = undefined;
          resolve();
        };
        this.wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
    this.changed = false;
  }

  close(): void {
    this.stop();
  }
}
