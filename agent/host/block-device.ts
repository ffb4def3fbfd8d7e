/** Block devices as file systems: made on a device that holds none, and mounted. Everything goes through commands, which may hang alone. */
import { CommandError } from './command-error.ts';
import { run } from './exec.ts';
import { isMountPoint, readMountinfo } from './mountinfo.ts';

export interface MountDeviceOptions {
  /** `ext4`, `nfs`, ... */
  readonly fsType: string;
  readonly readOnly: boolean;
  /** As `mount -o` takes them. */
  readonly options: readonly string[];
}

const MOUNT_TIMEOUT_MS = 60_000;
/** Large disks take minutes. */
const FORMAT_TIMEOUT_MS = 600_000;

/** Arguments of mount(8). Pure. */
export function mountArguments(source: string, target: string, options: MountDeviceOptions): string[] {
  const all = [...new Set([...options.options, ...(options.readOnly ? ['ro'] : [])])];
  return ['mount', '-t', options.fsType, ...(all.length === 0 ? [] : ['-o', all.join(',')]), source, target];
}

/**
 * Mounts `source` (a device, or what a server offers) on `target`, which must exist, unless something is mounted there.
 * @throws Error with the command, what it said and how long it took
 */
export async function mountDevice(
  source: string,
  target: string,
  options: MountDeviceOptions,
  signal: AbortSignal,
): Promise<void> {
  if (isMountPoint(await readMountinfo(), target)) return;
  const argv = mountArguments(source, target, options);
  try {
    await run(argv, { timeoutMs: MOUNT_TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = error.stderr.trim() || error.message;
    throw new Error(`mount failed: ${said} (command: ${argv.join(' ')})`, { cause: error });
  }
}

/** @throws Error when it holds something else than a file system, or mkfs fails */
export async function formatIfEmpty(device: string, fsType: string, signal: AbortSignal): Promise<void> {
  if (!(await isEmpty(device, signal))) return;
  const flags = fsType.startsWith('ext') ? ['-F', '-m0'] : fsType === 'xfs' ? ['-f'] : [];
  await run([`mkfs.${fsType}`, ...flags, device], { timeoutMs: FORMAT_TIMEOUT_MS, signal });
}

/** blkid ends with 2 where it recognises nothing. */
async function isEmpty(device: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run(['blkid', '-p', '-o', 'export', device], { timeoutMs: MOUNT_TIMEOUT_MS, signal });
    if (/^PTTYPE=/m.test(stdout) && !/^TYPE=/m.test(stdout))
      throw new Error(`${device} holds a partition table, not a file system; use one of its partitions`);
    return false;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) return true;
    throw error;
  }
}
