/**
 * What changed while pods were being tried: a pod that then proves unschedulable must not miss it.
 * Kept as long as somebody is being tried who began before; while nobody is, nothing is kept.
 */
import type { ClusterChange } from './cluster-change.ts';

export class InFlightChanges {
  private changes: ClusterChange[] = [];
  /** Number of the first of `changes`. */
  private offset = 0;
  /** By uid, the number of the first change after its try began. In the order of their beginnings, so numbers only grow. */
  private readonly since = new Map<string, number>();

  begin(uid: string): void {
    this.since.set(uid, this.offset + this.changes.length);
  }

  note(change: ClusterChange): void {
    if (this.since.size > 0) this.changes.push(change);
  }

  /** The pod's try is over. @returns what changed meanwhile */
  end(uid: string): readonly ClusterChange[] {
    const begun = this.since.get(uid);
    if (begun === undefined) return [];
    const missed = this.changes.slice(begun - this.offset);
    this.since.delete(uid);
    const oldest = this.since.values().next().value ?? this.offset + this.changes.length;
    if (oldest > this.offset) {
      this.changes = this.changes.slice(oldest - this.offset);
      this.offset = oldest;
    }
    return missed;
  }

  /** How many are kept. */
  get size(): number {
    return this.changes.length;
  }
}
