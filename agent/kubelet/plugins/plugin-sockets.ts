/** Which registration sockets lie in a folder, and tells when that changes. */
import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../machinery/process/clock.ts';

/** Several changes come together (bind, chmod, listen). */
const SETTLE_MS = 20;
/** Backstop for what a watch cannot see: folders that are removed and made again. */
const RELIST_MS = 60_000;

/**
 * Identity of the socket at `path`, another one after each bind; undefined if there is no socket.
 * @throws the file system's error other than that nothing is there
 */
export async function socketIdentity(path: string): Promise<string | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    return stats.isSocket() ? `${stats.ino}-${stats.birthtimeNs}` : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Absolute paths of all sockets in the folder and those below; names with a leading dot are passed over. */
async function listSockets(folder: string, folders: Set<string>): Promise<string[]> {
  folders.add(folder);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith('.'))
      .map(async entry => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return listSockets(path, folders);
        return entry.isSocket() ? [path] : [];
      }),
  );
  return found.flat();
}

/**
 * Calls `onSockets` with every socket, at first and whenever something in the folder changed, until `signal` aborts.
 * @param folder must exist
 */
export function watchSockets(
  folder: string,
  clock: Clock,
  onSockets: (paths: readonly string[]) => void,
  signal: AbortSignal,
): void {
  const watchers = new Map<string, FSWatcher>();
  let cancel = (): void => {};
  const forget = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const listSoon = (delayMs: number): void => {
    cancel();
    if (!signal.aborted) cancel = clock.after(delayMs, () => void list());
  };
  const list = async (): Promise<void> => {
    const folders = new Set<string>();
    const sockets = await listSockets(folder, folders);
    if (signal.aborted) return;
    let fresh = false;
    for (const path of folders) {
      if (watchers.has(path)) continue;
      try {
        const watcher = watch(path, { persistent: false }, () => listSoon(SETTLE_MS));
        watcher.on('error', () => {
          forget(path);
          listSoon(RELIST_MS);
        });
        watchers.set(path, watcher);
        fresh = true;
      } catch {
        // It went meanwhile, or there are no watches left: the next list sees to it.
      }
    }
    for (const path of watchers.keys()) if (!folders.has(path)) forget(path);
    onSockets(sockets);
    // What came between the list and its watch.
    listSoon(fresh ? SETTLE_MS : RELIST_MS);
  };
  signal.addEventListener(
    'abort',
    () => {
      cancel();
      for (const path of watchers.keys()) forget(path);
    },
    { once: true },
  );
  void list();
}
