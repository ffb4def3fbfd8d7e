/**
 * The folders of a node's local-path volumes.
 *
 * - What was made is written down elsewhere, so that a folder whose disk is not mounted is missed, and never replaced by an empty one.
 * - Only what bears the name of such a volume, in the folder for volumes of its time, is ever removed; while a process anywhere on the machine
 *   has it mounted, it stays. The removal follows no link, enters no other file system, and may end at any point and be done again.
 */
import { chmod, lstat, mkdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isLocalPathVolume, isLocalPathVolumeName } from '../../machinery/meta/local-path.ts';
import { isDeleting } from '../../machinery/meta/object.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import type { PersistentVolume } from '../../proto/api/core-v1.ts';
import { run } from '../host/exec.ts';
import { findMountsOf } from '../host/mounts-of.ts';

/** Containers of any user write there, as in upstream's provisioner; who gets there at all, the folder above decides. */
const FOLDER_MODE = 0o777;
const ROOT_MODE = 0o700;
/** On the same file system, so that a folder comes here in one step. It is there as long as the disk is. */
const GOING = '.removing';

interface Place {
  readonly name: string;
  /** Whether it was ever made. */
  readonly isRecorded: boolean;
  /** Without links, as mounts are told of. */
  readonly path: string;
  /** Where it is removed. */
  readonly going: string;
}

export class LocalPathFolders {
  private readonly root: string;
  private readonly records: string;
  /** Several pods of a volume may start at once: who came second would put an empty folder in the place of what the first one uses. */
  private readonly making = new Map<string, Promise<void>>();

  /** @param root the folder for volumes @param records where is written down what was made; both absolute, made when needed */
  constructor(root: string, records: string) {
    this.root = root;
    this.records = records;
  }

  /**
   * Makes the folder of a volume when it is first used; of volumes that others made, nothing.
   * @throws Error when it was there before and is gone, or the volume is being deleted
   */
  async make(volume: PersistentVolume): Promise<void> {
    const { name = '' } = volume.metadata;
    const path = volume.spec.local?.path ?? '';
    if (!isLocalPathVolume(volume) || path !== join(this.root, name)) return;
    const making = this.making.get(name) ?? this.makeAt(path, volume).finally(() => this.making.delete(name));
    this.making.set(name, making);
    await making;
  }

  private async makeAt(path: string, volume: PersistentVolume): Promise<void> {
    const name = basename(path);
    if (await isFolder(path)) {
      if ((await this.recorded(name)) === undefined) await this.record(name, path);
      return;
    }
    if ((await this.recorded(name)) === path)
      throw new Error(`folder ${path} of volume "${name}" is gone; is the disk that has it mounted?`);
    // Its folder may just have been removed: what was written to another would be lost with it.
    if (isDeleting(volume)) throw new Error(`persistentvolume "${name}" is being deleted`);
    await mkdir(this.root, { recursive: true, mode: ROOT_MODE });
    await mkdir(join(this.root, GOING), { recursive: true, mode: ROOT_MODE });
    const fresh = join(this.root, `.new-${name}`);
    await mkdir(fresh, { recursive: true });
    // Whatever the process's umask says; nobody sees it before it is as it should be.
    await chmod(fresh, FOLDER_MODE);
    await rename(fresh, path);
    await this.record(name, path);
  }

  /**
   * Removes folders of volumes with all that is in them. Of what is not there, nothing.
   * @returns for each that stays what keeps it
   */
  async remove(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Error>> {
    const kept = new Map<string, Error>();
    const places: Place[] = [];
    for (const name of names) {
      if (isLocalPathVolumeName(name)) places.push(await this.placeOf(name));
      else kept.set(name, new Error(`${JSON.stringify(name)} is no name of a volume`));
    }
    const each = async (work: (place: Place) => Promise<void>): Promise<void> => {
      for (const place of places.filter(({ name }) => !kept.has(name))) {
        try {
          await work(place);
        } catch (error) {
          signal.throwIfAborted();
          kept.set(place.name, error instanceof Error ? error : new Error(String(error)));
        }
      }
    };
    const check = async (pathOf: (place: Place) => string): Promise<void> => {
      const mounts = places.length === 0 ? new Map() : await findMountsOf(places.map(pathOf));
      await each(place => {
        const mount = mounts.get(pathOf(place));
        if (mount === undefined) return Promise.resolve();
        const who = `process ${mount.pid} has it mounted on ${mount.mountPoint}`;
        return Promise.reject(new Error(`${pathOf(place)} is still in use: ${who}`));
      });
    };
    await check(({ path }) => path);
    await each(setAside);
    // What was mounted between looking and setting aside has moved along.
    await check(({ going }) => going);
    await each(async ({ name, path, going, isRecorded }) => {
      // rm(1) opens folder by folder: nothing that is exchanged meanwhile leads it elsewhere.
      const isThere = await isFolder(going);
      if (!isThere && isRecorded && !(await isFolder(dirname(going)))) {
        const record = join(this.records, name);
        throw new Error(`${path} is not there: is its disk mounted? If it is gone for good, remove ${record}`);
      }
      if (isThere) await run(['rm', '-rf', '--one-file-system', '--', going], { timeoutMs: 0, signal });
      await rm(join(dirname(path), `.new-${name}`), { recursive: true, force: true });
      await rm(join(this.records, name), { force: true });
    });
    return kept;
  }

  private async placeOf(name: string): Promise<Place> {
    const recorded = await this.recorded(name);
    const root = await withoutLinks(recorded === undefined ? this.root : dirname(recorded));
    return { name, isRecorded: recorded !== undefined, path: join(root, name), going: join(root, GOING, name) };
  }

  /** Where the folder was made; undefined: it never was. */
  private async recorded(name: string): Promise<string | undefined> {
    try {
      const path = (await readFile(join(this.records, name), 'utf8')).trim();
      return path.startsWith('/') && basename(path) === name ? path : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  private async record(name: string, path: string): Promise<void> {
    await mkdir(this.records, { recursive: true, mode: ROOT_MODE });
    await writeFileAtomic(join(this.records, name), `${path}\n`, 0o600);
  }
}

async function setAside({ path, going }: Place): Promise<void> {
  if (!(await isFolder(path))) return;
  await mkdir(dirname(going), { recursive: true, mode: ROOT_MODE });
  await rename(path, going);
}

/** Where the folder really is; the path itself where nothing is. */
async function withoutLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
}

/** A link is none. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
