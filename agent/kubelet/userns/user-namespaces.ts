/**
 * User namespaces of pods (`hostUsers: false`): each has ids of the node that no other pod has, as long as anything of it is left.
 *
 * - What a pod has stands in a file in its folder, as upstream's kubelet writes it: a kubelet that restarts finds it again.
 * - Two pods never get the same ids: a decision is one step, and nothing is made before the file is on disk.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { NamespaceMode, type UserNamespace } from '../../../proto/cri/runtime.gen.ts';
import { writeFileAtomic } from '../../../machinery/process/write-file-atomic.ts';
import { freePart, podIdRange, type IdRange } from '../plan/id-ranges.ts';
import { podFolder, podsFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';

export interface UserNamespacesOptions {
  readonly folders: KubeletFolders;
  readonly idsPerPod: number;
  readonly maxPods: number;
  /** Whether that handler of the runtime's ('' for its default) can. */
  readonly able: (runtimeHandler: string) => boolean;
}

interface Mapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

const FILE = 'userns';

export class UserNamespaces {
  private readonly options: UserNamespacesOptions;
  /** First id by pod. */
  private readonly first = new Map<string, number>();
  private range: Promise<IdRange> | undefined;

  constructor(options: UserNamespacesOptions) {
    this.options = options;
  }

  /** Reads what pods have of an earlier run. Call once, before any pod is looked at. */
  async load(): Promise<void> {
    const { folders } = this.options;
    const uids = await readdir(podsFolder(folders)).catch(() => []);
    await Promise.all(
      uids.map(async uid => {
        const text = await readFile(`${podFolder(folders, uid)}/${FILE}`, 'utf8').catch(() => undefined);
        if (text === undefined) return;
        const { uidMappings } = JSON.parse(text) as { uidMappings: Mapping[] };
        if (uidMappings[0] !== undefined) this.first.set(uid, uidMappings[0].hostId);
      }),
    );
  }

  /** Refuses a pod that the runtime cannot give one. @throws Error in words, upstream's */
  check(pod: Pod, runtimeHandler: string): void {
    if (pod.spec.hostUsers !== false || this.options.able(runtimeHandler)) return;
    const who = runtimeHandler === '' ? 'runtime' : `RuntimeClass handler ${JSON.stringify(runtimeHandler)}`;
    throw new Error(`can't set \`spec.hostUsers: false\`, ${who} does not support user namespaces`);
  }

  /** The pod's namespace, with ids of its own; undefined for a pod that shares the node's. @throws Error in words */
  async of(pod: Pod): Promise<UserNamespace | undefined> {
    if (pod.spec.hostUsers !== false) return undefined;
    const uid = uidOf(pod);
    const { perPod: length, ...range } = await this.idRange();
    let first = this.first.get(uid);
    if (first === undefined) {
      first = this.freePart({ ...range, perPod: length });
      if (first === undefined) {
        // Pods that were garbage had some of them.
        this.first.clear();
        await this.load();
        first = this.freePart({ ...range, perPod: length });
      }
      if (first === undefined) throw new Error(`all ${range.pods} id ranges for user namespaces of pods are taken`);
      this.first.set(uid, first);
    }
    const mapping: Mapping = { hostId: first, containerId: 0, length };
    const path = `${podFolder(this.options.folders, uid)}/${FILE}`;
    const text = JSON.stringify({ uidMappings: [mapping], gidMappings: [mapping] });
    if ((await readFile(path, 'utf8').catch(() => '')) !== text) await writeFileAtomic(path, text);
    return { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
  }

  /** Nothing of the pod is left. */
  release(uid: string): void {
    this.first.delete(uid);
  }

  private freePart(range: IdRange): number | undefined {
    return freePart(range, new Set(this.first.values()));
  }

  private idRange(): Promise<IdRange> {
    this.range ??= this.readRange().catch((error: unknown) => {
      this.range = undefined;
      throw error;
    });
    return this.range;
  }

  private async readRange(): Promise<IdRange> {
    const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
    const [subuid, subgid] = await Promise.all([read('/etc/subuid'), read('/etc/subgid')]);
    const range = podIdRange(subuid, subgid, this.options.idsPerPod, this.options.maxPods);
    if (typeof range === 'string') throw new Error(`no user namespaces for pods: ${range}`);
    return range;
  }
}
