/**
 * Who owns whom, over all kinds: objects by uid, and the dependents of each owner, also of owners that are not there.
 *
 * A node is what the informer keeps of an object and its resource: nothing is copied, as there are as many nodes as objects.
 */
import type { ObjectMeta, OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';
const NONE: readonly OwnerReference[] = [];

export interface GraphNode {
  readonly resource: Resource<AnyObject>;
  readonly metadata: ObjectMeta;
}

export function ownersOf({ metadata }: GraphNode): readonly OwnerReference[] {
  return metadata.ownerReferences ?? NONE;
}

/** What its deletion waits for: its dependents to be gone, or to be let go; `else`: nothing of this graph's. */
export type Deletion = 'none' | 'foreground' | 'orphan' | 'else';

export function deletionOf({ metadata }: Pick<GraphNode, 'metadata'>): Deletion {
  if (metadata.deletionTimestamp === undefined) return 'none';
  if (metadata.finalizers?.includes(ORPHAN) === true) return 'orphan';
  return metadata.finalizers?.includes(FOREGROUND) === true ? 'foreground' : 'else';
}

/** The finalizers without the one that stands for a deletion of that kind. */
export function finalizersAfter({ metadata }: GraphNode, deletion: 'foreground' | 'orphan'): string[] {
  const done = deletion === 'orphan' ? ORPHAN : FOREGROUND;
  return (metadata.finalizers ?? []).filter(finalizer => finalizer !== done);
}

export class OwnerGraph {
  private readonly nodes = new Map<string, GraphNode>();
  private readonly dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid);
  }

  /** Those that are in the graph, one after the other: some owners have tens of thousands. */
  *dependentsOf(uid: string): Generator<GraphNode> {
    for (const dependent of this.dependents.get(uid) ?? []) {
      const node = this.nodes.get(dependent);
      if (node !== undefined) yield node;
    }
  }

  hasDependents(uid: string): boolean {
    return this.dependents.has(uid);
  }

  /**
   * Whether a dependent keeps its owner from going in the foreground.
   * Differs: one that cannot have this owner, as it is in another namespace or in none, holds nothing up; upstream's would for ever.
   */
  isBlocked(uid: string): boolean {
    const namespace = this.nodes.get(uid)?.metadata.namespace;
    for (const dependent of this.dependentsOf(uid)) {
      const isPossible = namespace === undefined || namespace === dependent.metadata.namespace;
      if (isPossible && blocks(dependent, uid)) return true;
    }
    return false;
  }

  /** Whether its owner's owners, each waiting for the one below, come back to itself. Looks upwards: owners are few. */
  waitsForItself(uid: string): boolean {
    const seen = new Set<string>();
    const open = [uid];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const node = this.nodes.get(at);
      if (node === undefined || deletionOf(node) !== 'foreground') continue;
      for (const owner of ownersOf(node)) {
        if (owner.blockOwnerDeletion !== true) continue;
        if (owner.uid === uid) return true;
        if (seen.has(owner.uid)) continue;
        seen.add(owner.uid);
        open.push(owner.uid);
      }
    }
    return false;
  }

  /** @returns the node as it was */
  put(node: GraphNode): GraphNode | undefined {
    const { uid = '' } = node.metadata;
    const older = this.nodes.get(uid);
    if (older !== undefined) this.unlink(older);
    this.nodes.set(uid, node);
    for (const owner of ownersOf(node)) {
      const known = this.dependents.get(owner.uid);
      if (known === undefined) this.dependents.set(owner.uid, new Set([uid]));
      else known.add(uid);
    }
    return older;
  }

  remove(uid: string): GraphNode | undefined {
    const node = this.nodes.get(uid);
    if (node !== undefined) this.unlink(node);
    this.nodes.delete(uid);
    return node;
  }

  private unlink(node: GraphNode): void {
    for (const owner of ownersOf(node)) {
      const known = this.dependents.get(owner.uid);
      known?.delete(node.metadata.uid ?? '');
      if (known?.size === 0) this.dependents.delete(owner.uid);
    }
  }
}

function blocks(dependent: GraphNode, uid: string): boolean {
  return ownersOf(dependent).some(owner => owner.uid === uid && owner.blockOwnerDeletion === true);
}
