/** Pods that no node takes as things are, by the plugins that turned them down. */
import type { ClusterChange } from './cluster-change.ts';
import type { QueueEntry } from './queue-entry.ts';
import type { QueueingHints } from './queueing-hints.ts';

const NOBODY: ReadonlySet<QueueEntry> = new Set();

export class UnschedulablePods {
  private readonly hints: QueueingHints;
  /** When each was added; the oldest first. */
  private readonly addedMs = new Map<QueueEntry, number>();
  /** By profile and plugin, as the hints name them. */
  private readonly byPlugin = new Map<string, Set<QueueEntry>>();
  /** How many of them a PreEnqueue plugin keeps out. */
  gated = 0;

  constructor(hints: QueueingHints) {
    this.hints = hints;
  }

  get size(): number {
    return this.addedMs.size;
  }

  /** When the one was added that is here longest. */
  get oldestMs(): number | undefined {
    return this.addedMs.values().next().value;
  }

  get countByPlugin(): ReadonlyMap<string, number> {
    return new Map([...this.byPlugin].map(([plugin, entries]) => [plugin, entries.size]));
  }

  add(entry: QueueEntry, nowMs: number): void {
    this.addedMs.set(entry, nowMs);
    if (entry.gated) this.gated++;
    for (const plugin of entry.rejectedBy) {
      const entries = this.byPlugin.get(plugin) ?? new Set<QueueEntry>();
      this.byPlugin.set(plugin, entries.add(entry));
    }
  }

  remove(entry: QueueEntry): void {
    if (!this.addedMs.delete(entry)) return;
    if (entry.gated) this.gated--;
    for (const plugin of entry.rejectedBy) {
      const entries = this.byPlugin.get(plugin);
      entries?.delete(entry);
      if (entries?.size === 0) this.byPlugin.delete(plugin);
    }
  }

  /** Those that the change may make fit. */
  helpedBy(change: ClusterChange): ReadonlySet<QueueEntry> {
    if (this.addedMs.size === 0) return NOBODY;
    const helped = new Set<QueueEntry>();
    for (const [plugin, entries] of this.byPlugin) {
      if (!this.hints.concerns(plugin, change)) continue;
      const asked = [plugin];
      for (const entry of entries)
        if (!helped.has(entry) && this.hints.mayHelp(asked, entry.pod, change)) helped.add(entry);
    }
    return helped;
  }

  /** Those that were added at `untilMs` or before. */
  addedBefore(untilMs: number): QueueEntry[] {
    const found: QueueEntry[] = [];
    for (const [entry, addedMs] of this.addedMs) {
      if (addedMs > untilMs) break;
      found.push(entry);
    }
    return found;
  }
}
