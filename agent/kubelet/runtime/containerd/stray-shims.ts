/**
 * A containerd that is killed while it makes a sandbox leaves a shim that nobody knows: the next containerd does not find it, and its
 * processes run for ever. Such a shim is older than any sandbox that is just being made, and in no list of the containerd that runs.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseMounts } from '../../../host/release-mounts.ts';
import type { CriClient } from '../cri-client.ts';
import { killShims, listShims } from './shims.ts';

export interface StrayOptions {
  /** Of the containerd that runs. */
  readonly socketPath: string;
  readonly stateDir: string;
  /** Clock ticks from boot: only shims that started before are looked at. */
  readonly beforeTicks: number;
}

/** Call once CRI answers: by then it has loaded what it holds. @returns ids of the shims that were ended @throws RuntimeError */
export async function endStrayShims(cri: CriClient, options: StrayOptions): Promise<string[]> {
  const { socketPath, stateDir, beforeTicks } = options;
  const older = (await listShims(socketPath)).filter(shim => shim.startTicks < beforeTicks);
  if (older.length === 0) return [];
  const [sandboxes, containers] = await Promise.all([cri.listPodSandbox(), cri.listContainers()]);
  const known = new Set([...sandboxes, ...containers].map(({ id }) => id));
  const stray = older.filter(({ id }) => !known.has(id));
  await killShims(stray);
  await Promise.allSettled(
    stray.map(async ({ id }) => {
      const bundle = join(stateDir, 'io.containerd.runtime.v2.task', 'k8s.io', id);
      await releaseMounts(bundle, { detachBusy: true });
      // containerd may be at it too: what it takes away first is no matter.
      await rm(bundle, { recursive: true, force: true });
    }),
  );
  return stray.map(({ id }) => id);
}
