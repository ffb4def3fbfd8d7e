/**
 * Takes away every mount below a folder, and never what may still be written to: where a mount is busy, the error names who holds it.
 *
 * A busy mount is only detached (it leaves the tree now and the kernel when its last user ends) where that loses nothing: a file system in
 * memory, whose content ends anyway; one more view of a file system that is mounted elsewhere too; FUSE, whose server keeps the data; and one
 * of the network whose server does not answer. A disk is not: whoever gets it next would find it in use.
 */
import { CommandError } from './command-error.ts';
import { run } from './exec.ts';
import { loadLibc, MNT_DETACH, SystemCallError, UMOUNT_NOFOLLOW } from './libc.ts';
import { findMountHolders } from './mount-holders.ts';
import { readMountinfo, type Mount } from './mountinfo.ts';

/** A mount cannot be taken away now. The message is for the pod's event. */
export class BusyMountError extends Error {
  override readonly name = 'BusyMountError';
  readonly mountPoint: string;

  constructor({ mountPoint }: Mount, message: string, options?: ErrorOptions) {
    super(message, options);
    this.mountPoint = mountPoint;
  }
}

const IN_MEMORY = new Set(['tmpfs', 'ramfs', 'hugetlbfs']);
const OF_THE_NETWORK = new Set(['nfs', 'nfs4', 'cifs', 'smb3', 'ceph', '9p']);
const UNMOUNT_TIMEOUT_MS = 10_000;

export interface ReleaseOptions {
  /** Detach also what is busy and mounted nowhere else: everything has to go. */
  readonly detachBusy?: boolean;
}

/**
 * Takes away every mount at or below `folder`, also several on one place; gives the mount points.
 * @throws BusyMountError for the first that stays; those under it stay as well
 */
export async function releaseMounts(folder: string, { detachBusy = false }: ReleaseOptions = {}): Promise<string[]> {
  const all = await readMountinfo();
  const mounts = all.filter(mount => isAtOrBelow(folder, mount)).reverse();
  for (const mount of mounts) {
    if (IN_MEMORY.has(mount.fsType)) await unmountMemory(mount);
    else {
      const isElsewhereToo = all.some(other => other.device === mount.device && !isAtOrBelow(folder, other));
      const isFuse = mount.fsType === 'fuse' || mount.fsType.startsWith('fuse.');
      await unmountOther(mount, detachBusy || isElsewhereToo || isFuse);
    }
  }
  return mounts.map(({ mountPoint }) => mountPoint);
}

async function unmountMemory({ mountPoint }: Mount): Promise<void> {
  const libc = await loadLibc();
  try {
    libc.umount(mountPoint, UMOUNT_NOFOLLOW);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'EBUSY') throw error;
    libc.umount(mountPoint, MNT_DETACH | UMOUNT_NOFOLLOW);
  }
}

/** In another process, since the kernel may wait for whoever serves the file system. */
async function unmountOther(mount: Mount, mayDetach: boolean): Promise<void> {
  // Neither helpers nor a look at the path, which may hang.
  const umount = (...flags: string[]): Promise<unknown> =>
    run(['umount', '--no-canonicalize', '--internal-only', ...flags, mount.mountPoint], {
      timeoutMs: UNMOUNT_TIMEOUT_MS,
    });
  try {
    await umount();
  } catch (error) {
    if (!(await isStillMounted(mount))) return;
    const isUnanswered =
      OF_THE_NETWORK.has(mount.fsType) && error instanceof CommandError && error.durationMs >= UNMOUNT_TIMEOUT_MS;
    if (mayDetach || isUnanswered) return void (await umount('--lazy'));
    throw await explain(mount, error);
  }
}

async function isStillMounted({ id }: Mount): Promise<boolean> {
  return (await readMountinfo()).some(mount => mount.id === id);
}

async function explain(mount: Mount, cause: unknown): Promise<BusyMountError> {
  const { mountPoint, fsType, source } = mount;
  const what = `the mount ${mountPoint} (${fsType} of ${source})`;
  const holders = await findMountHolders(mountPoint);
  if (holders.length === 0) {
    const why = cause instanceof CommandError ? cause.stderr.trim() || cause.message : String(cause);
    const advice = `see what keeps it, or detach it with "umount --lazy ${mountPoint}"`;
    return new BusyMountError(mount, `${what} cannot be unmounted: ${why}; ${advice}`, { cause });
  }
  const named = holders.map(
    ({ pid, command, startedAtMs, how }) =>
      `process ${pid} (${command}), running since ${new Date(startedAtMs).toISOString().slice(0, 19)}Z, ${how}`,
  );
  const pids = holders.map(({ pid }) => pid).join(' ');
  return new BusyMountError(mount, `${what} is busy: ${named.join('; ')}; end it (kill ${pids}), then the pod ends`, {
    cause,
  });
}

function isAtOrBelow(folder: string, { mountPoint }: Mount): boolean {
  return mountPoint === folder || mountPoint.startsWith(`${folder}/`);
}
