/**
 * The folders of a node's local-path volumes.
 *
 * - What was made is written down elsewhere, so that a folder whose disk is not mounted is missed, and never replaced by an empty one.
 * - Only what bears the name of such a volume, in the folder for volumes of its time, is ever removed; while a process anywhere on the machine
 *   has it mounted, it stays. The removal follows no link, enters no other file system, and may end at any point and be done again.
 */
import { chmod, lstat, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isLocalPathVolume, isLocalPathVolumeName } from '../../machinery/meta/local-path.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import type { PersistentVolume } from '../../proto/api/core-v1.ts';
import { run } from '../host/exec.ts';
import { findMountsOf } from '../host/mounts-of.ts';

/** Containers of any user write there, as in upstream's provisioner; who gets there at all, the folder above decides. */
const FOLDER_MODE = 0o777;
const ROOT_MODE = 0o700;
/** On the same file system, so that a folder comes here in one step. */
const GOING = '.removing';

export class LocalPathFolders {
  private readonly root: string;
  private readonly records: string;

  /** @param root the folder for volumes @param records where is written down what was made; both absolute, made when needed */
  constructor(root: string, records: string) {
    this.root = root;
    this.records = records;
  }

  /**
   * Makes the folder of a volume when it is first used; of volumes that others made, nothing.
   * @throws Error when it was there before and is gone
   */
  async make(volume: PersistentVolume): Promise<void> {
    const { name = '' } = volume.metadata;
    const path = volume.spec.local?.path ?? '';
    if (!isLocalPathVolume(volume) || !isLocalPathVolumeName(name) || path !== join(this.root, name)) return;
    if (await isFolder(path)) {
      if ((await this.recorded(name)) === undefined) await this.record(name, path);
      return;
    }
    if ((await this.recorded(name)) === path)
      throw new Error(`folder ${path} of volume "${name}" is gone; is the disk that has it mounted?`);
    await mkdir(this.root, { recursive: true, mode: ROOT_MODE });
    const fresh = join(this.root, `.new-${name}`);
    await mkdir(fresh, { recursive: true });
    // Whatever the process's umask says; nobody sees it before it is as it should be.
    await chmod(fresh, FOLDER_MODE);
    await rename(fresh, path);
    await this.record(name, path);
  }

  /** Removes a volume's folder with all that is in it. Of what is not there, nothing. @throws Error that says what keeps it */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    if (!isLocalPathVolumeName(name)) throw new Error(`${JSON.stringify(name)} is no name of a volume`);
    const path = (await this.recorded(name)) ?? join(this.root, name);
    const going = join(dirname(path), GOING, name);
    if (await isFolder(path)) {
      await refuseIfMounted(path);
      await mkdir(dirname(going), { recursive: true, mode: ROOT_MODE });
      await rename(path, going);
    }
    if (await isFolder(going)) {
      await refuseIfMounted(going);
      // rm(1) opens folder by folder: nothing that is exchanged meanwhile leads it elsewhere.
      await run(['rm', '-rf', '--one-file-system', '--', going], { timeoutMs: 0, signal });
    }
    await rm(join(dirname(path), `.new-${name}`), { recursive: true, force: true });
    await rm(join(this.records, name), { force: true });
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

async function refuseIfMounted(path: string): Promise<void> {
  const [mount] = await findMountsOf(path);
  if (mount !== undefined)
    throw new Error(`${path} is still in use: process ${mount.pid} has it mounted on ${mount.mountPoint}`);
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
