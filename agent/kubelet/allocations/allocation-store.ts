/**
 * What the node has set aside for its pods, kept in a small file in each pod's folder, so that a kubelet that was killed in the middle
 * of a resize goes on with it.
 *
 * - Pods without requests and limits have none: their class may not change, so they cannot be resized.
 * - Files are replaced by renaming. They are not flushed: after a power cut no container is left that they could speak of.
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { qosClassOf } from '../../../machinery/meta/pod-resources.ts';
import { allocationOf, withAllocation, type Allocation } from './plan/allocation.ts';
import type { AppliedResources } from './plan/applied-resources.ts';
import { podFolder, podsFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';

/** As the file has it. */
interface Kept {
  readonly allocation: Allocation;
  /** What containers were given since they were made, by id. */
  readonly applied: Readonly<Record<string, AppliedResources>>;
  /** Set while what was allocated is not carried out yet: for which generation of the pod. */
  readonly resizing?: number;
}

const FILE = 'allocation.json';

export class AllocationStore {
  private readonly folders: KubeletFolders;
  private readonly logger: Logger;
  private readonly kept = new Map<string, Kept>();
  private readonly writes = new Map<string, Promise<void>>();

  constructor(folders: KubeletFolders, logger: Logger) {
    this.folders = folders;
    this.logger = logger;
  }

  /** Reads what an earlier run kept. Call once, before any pod is looked at. */
  async load(): Promise<void> {
    const uids = await readdir(podsFolder(this.folders)).catch(() => []);
    await Promise.all(
      uids.map(async uid => {
        const text = await readFile(this.pathOf(uid), 'utf8').catch(() => undefined);
        if (text === undefined) return;
        try {
          this.kept.set(uid, JSON.parse(text) as Kept);
        } catch (error) {
          this.logger.warn({ err: error, uid }, 'Cannot read what was allocated to a pod; its spec counts');
        }
      }),
    );
  }

  /** The pod as it was allocated; as it is if it was not. */
  podOf(pod: Pod): Pod {
    return withAllocation(pod, this.kept.get(uidOf(pod))?.allocation);
  }

  /** For which generation a resize is being carried out. */
  resizing(uid: string): number | undefined {
    return this.kept.get(uid)?.resizing;
  }

  /** What the container was given since it was made. */
  applied(uid: string, containerId: string): AppliedResources | undefined {
    return this.kept.get(uid)?.applied[containerId];
  }

  /**
   * The node took the pod: what it asks for is its own, unless an earlier run has said so. Holds at once; resolves when it is on disk,
   * which matters only once the pod asks for something else.
   */
  async admit(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    if (this.kept.has(uid) || qosClassOf(pod) === 'BestEffort') return;
    await this.put(uid, { allocation: allocationOf(pod), applied: {} });
  }

  /** A resize was accepted. Holds at once; resolves when it is on disk. */
  allocate(desired: Pod): Promise<void> {
    const uid = uidOf(desired);
    const resizing = desired.metadata.generation ?? 0;
    return this.put(uid, { applied: this.kept.get(uid)?.applied ?? {}, allocation: allocationOf(desired), resizing });
  }

  /** A container was given that. */
  async apply(uid: string, containerId: string, applied: AppliedResources): Promise<void> {
    const kept = this.kept.get(uid);
    if (kept !== undefined) await this.put(uid, { ...kept, applied: { ...kept.applied, [containerId]: applied } });
  }

  /** The resize is carried out. @param running ids of containers that are still there; others are forgotten */
  async complete(uid: string, running: ReadonlySet<string>): Promise<void> {
    const kept = this.kept.get(uid);
    if (kept === undefined) return;
    const applied = Object.fromEntries(Object.entries(kept.applied).filter(([id]) => running.has(id)));
    await this.put(uid, { allocation: kept.allocation, applied });
  }

  /** The pod is gone; its folder goes with it. Resolves when nothing writes there any more. */
  async forget(uid: string): Promise<void> {
    this.kept.delete(uid);
    await this.writes.get(uid)?.catch(() => undefined);
  }

  private put(uid: string, kept: Kept): Promise<void> {
    this.kept.set(uid, kept);
    const before = this.writes.get(uid) ?? Promise.resolve();
    const write = before.catch(() => undefined).then(() => this.write(uid));
    this.writes.set(uid, write);
    return write.finally(() => {
      if (this.writes.get(uid) === write) this.writes.delete(uid);
    });
  }

  private async write(uid: string): Promise<void> {
    const kept = this.kept.get(uid);
    if (kept === undefined) return;
    const path = this.pathOf(uid);
    await mkdir(podFolder(this.folders, uid), { recursive: true, mode: 0o750 });
    await writeFile(`${path}.new`, JSON.stringify(kept), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  private pathOf(uid: string): string {
    return `${podFolder(this.folders, uid)}/${FILE}`;
  }
}
