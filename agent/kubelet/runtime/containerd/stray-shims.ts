/**
 * A containerd that is killed while it makes a sandbox leaves a shim that nobody knows: the next containerd does not find it, and its
 * processes run for ever. They are older than the containerd that runs, and in none of its lists.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseMounts } from '../../../host/release-mounts.ts';
import type { CriClient } from '../cri-client.ts';
import { killShims, listShims } from './shims.ts';

/** The containerd that runs. */
export interface RunningContainerd {
  readonly socketPath: string;
  readonly stateDir: string;
  /** Clock ticks from boot to its start. */
  readonly startTicks: number;
}

/** Call once CRI answers: by then it has loaded what it holds. @returns ids of the shims that were ended @throws RuntimeError */
export async function endStrayShims(cri: CriClient, containerd: RunningContainerd): Promise<string[]> {
  const older = (await listShims(containerd.socketPath)).filter(shim => shim.startTicks < containerd.startTicks);
  if (older.length === 0) return [];
  const [sandboxes, containers] = await Promise.all([cri.listPodSandbox(), cri.listContainers()]);
  const known = new Set([...sandboxes, ...containers].map(({ id }) => id));
  const stray = older.filter(({ id }) => !known.has(id));
  await killShims(stray);
  for (const { id } of stray) {
    const bundle = join(containerd.stateDir, 'io.containerd.runtime.v2.task', 'k8s.io', id);
    await releaseMounts(bundle, { detachBusy: true });
    await rm(bundle, { recursive: true, force: true });
  }
  return stray.map(({ id }) => id);
}
