/**
 * Who owns whom, over all kinds: objects by uid, and the dependents of each owner, also of owners that are not there.
 */
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export interface GraphNode {
  uid: string;
  resource: Resource<AnyObject>;
  namespace: string;
  name: string;
  owners: readonly OwnerReference[];
  deleting: boolean;
  /** Waits for its dependents to be gone. */
  foreground: boolean;
  /** Its dependents are to be let go. */
  orphaning: boolean;
}

export class OwnerGraph {
  private readonly nodes = new Map<string, GraphNode>();
  private readonly dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid);
  }

  dependentsOf(uid: string): GraphNode[] {
    const found: GraphNode[] = [];
    for (const dependent of this.dependents.get(uid) ?? []) {
      const node = this.nodes.get(dependent);
      if (node !== undefined) found.push(node);
    }
    return found;
  }

  /** Whether it is its own dependent's dependent, by way of such as wait for theirs too. */
  waitsForItself(uid: string): boolean {
    const seen = new Set<string>();
    const open = [uid];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const dependent of this.dependentsOf(at)) {
        if (dependent.uid === uid) return true;
        if (!dependent.foreground || seen.has(dependent.uid)) continue;
        seen.add(dependent.uid);
        open.push(dependent.uid);
      }
    }
    return false;
  }

  /** @returns the node as it was and as it is */
  put(resource: Resource<AnyObject>, object: AnyObject): { older: GraphNode | undefined; node: GraphNode } {
    const {
      uid = '',
      namespace = '',
      name = '',
      ownerReferences = [],
      deletionTimestamp,
      finalizers = [],
    } = object.metadata;
    const deleting = deletionTimestamp !== undefined;
    const foreground = deleting && finalizers.includes(FOREGROUND);
    const orphaning = deleting && finalizers.includes(ORPHAN);
    const node: GraphNode = {
      uid,
      resource,
      namespace,
      name,
      owners: ownerReferences,
      deleting,
      foreground,
      orphaning,
    };
    const older = this.nodes.get(uid);
    if (older !== undefined) this.unlink(older);
    this.nodes.set(uid, node);
    for (const owner of ownerReferences) {
      const known = this.dependents.get(owner.uid);
      if (known === undefined) this.dependents.set(owner.uid, new Set([uid]));
      else known.add(uid);
    }
    return { older, node };
  }

  remove(uid: string): GraphNode | undefined {
    const node = this.nodes.get(uid);
    if (node !== undefined) this.unlink(node);
    this.nodes.delete(uid);
    return node;
  }

  private unlink(node: GraphNode): void {
    for (const owner of node.owners) {
      const known = this.dependents.get(owner.uid);
      known?.delete(node.uid);
      if (known?.size === 0) this.dependents.delete(owner.uid);
    }
  }
}
