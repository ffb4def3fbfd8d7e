/**
 * Pods for which room was made, by the node where it was: they count there for pods that are not more important, until they are bound or gone.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';

const NOBODY: ReadonlyMap<string, Pod> = new Map();

export class Nominator {
  private readonly byNode = new Map<string, Map<string, Pod>>();
  private readonly nodeByUid = new Map<string, string>();

  /** The pod's room is on `nodeName`, and nowhere else. */
  nominate(pod: Pod, nodeName: string): void {
    const { uid = '' } = pod.metadata;
    this.forget(uid);
    const there = this.byNode.get(nodeName) ?? new Map<string, Pod>();
    this.byNode.set(nodeName, there.set(uid, pod));
    this.nodeByUid.set(uid, nodeName);
  }

  /** The pod has a node, is gone, or no room is kept for it any more. */
  forget(uid: string): void {
    const nodeName = this.nodeByUid.get(uid);
    if (nodeName === undefined) return;
    this.nodeByUid.delete(uid);
    const there = this.byNode.get(nodeName);
    there?.delete(uid);
    if (there?.size === 0) this.byNode.delete(nodeName);
  }

  /** By UID. */
  on(nodeName: string): ReadonlyMap<string, Pod> {
    return this.byNode.get(nodeName) ?? NOBODY;
  }

  nodeOf(uid: string): string | undefined {
    return this.nodeByUid.get(uid);
  }

  get isEmpty(): boolean {
    return this.byNode.size === 0;
  }
}
