/**
 * Guards /run/netns, where `ip netns` and container runtimes mount network namespaces.
 *
 * The first `ip netns add` of a host binds that directory onto itself, recursively: namespaces mounted there before are then
 * mounted twice and can no longer be deleted. (The private containerd mounts its namespaces elsewhere; other runtimes do not.)
 */
import { readdir, rmdir } from 'node:fs/promises';
import { makeShared } from './mounts.ts';
import { readMountinfo, type Mount } from './mountinfo.ts';
import { run } from './exec.ts';

const NETNS_DIRECTORY = '/run/netns';

/** Does beforehand what `ip netns add` would do, so that it finds it done. */
export function prepareNetnsDirectory(directory = NETNS_DIRECTORY): Promise<void> {
  return makeShared(directory);
}

/** Takes the directory away once no namespace is left in it; false when it is in use or not there. */
export async function removeNetnsDirectory(directory = NETNS_DIRECTORY): Promise<boolean> {
  const names = await readdir(directory).catch(() => undefined);
  if (names === undefined || names.length > 0) return false;
  for (const { mountPoint } of await readMountinfo()) if (mountPoint === directory) await run(['umount', directory]);
  await rmdir(directory);
  return true;
}

/** The namespaces mounted more than once, with the number of mounts too many. */
export function findDoubleMounts(mounts: readonly Mount[], directory = NETNS_DIRECTORY): Map<string, number> {
  const tooMany = new Map<string, number>();
  const seen = new Set<string>();
  for (const { id, mountPoint, fsType, propagation } of mounts) {
    if (fsType !== 'nsfs' || !mountPoint.startsWith(`${directory}/`)) continue;
    // Where /run is shared, as under systemd, a mount shows in both; they are peers, come and go together, and are not two.
    const peers = propagation.find(tag => tag.startsWith('shared:')) ?? `mount:${id}`;
    if (seen.has(`${mountPoint} ${peers}`)) continue;
    seen.add(`${mountPoint} ${peers}`);
    tooMany.set(mountPoint, (tooMany.get(mountPoint) ?? -1) + 1);
  }
  for (const [mountPoint, count] of tooMany) if (count === 0) tooMany.delete(mountPoint);
  return tooMany;
}

/** Takes the extra mounts away; gives the paths it touched. */
export async function undoDoubleMounts(directory = NETNS_DIRECTORY): Promise<string[]> {
  const tooMany = findDoubleMounts(await readMountinfo(), directory);
  for (const [mountPoint, count] of tooMany) {
    for (let i = 0; i < count; i++) await run(['umount', mountPoint]);
  }
  return [...tooMany.keys()];
}
