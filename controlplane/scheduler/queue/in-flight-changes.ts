/**
 * What changed while pods were being tried: a pod that then proves unschedulable must not miss it.
 * Kept as long as somebody is being tried who began before; while nobody is, nothing is kept. A try may take long (Permit, extenders), so of many
 * changes the newest are kept, and whoever began before them has missed something that nobody knows any more.
 */
import type { ClusterChange } from './cluster-change.ts';

const MOST_KEPT = 10_000;

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
    if (this.since.size === 0) return;
    this.changes.push(change);
    if (this.changes.length > MOST_KEPT) this.drop(MOST_KEPT / 2);
  }

  /** The pod's try is over. @returns what changed meanwhile; undefined: more than is kept */
  end(uid: string): readonly ClusterChange[] | undefined {
    const begun = this.since.get(uid);
    if (begun === undefined) return [];
    const missed = begun < this.offset ? undefined : this.changes.slice(begun - this.offset);
    this.since.delete(uid);
    const oldest = this.since.values().next().value ?? this.offset + this.changes.length;
    if (oldest > this.offset) this.drop(oldest - this.offset);
    return missed;
  }

  /** How many are kept. */
  get size(): number {
    return this.changes.length;
  }

  private drop(count: number): void {
    this.changes = this.changes.slice(count);
    this.offset += count;
  }
}
