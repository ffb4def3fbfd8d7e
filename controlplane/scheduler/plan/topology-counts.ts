/**
 * How many pods there are by value of a topology label (zone, host name), kept up to date change by change: what PodTopologySpread and
 * InterPodAffinity decide by, without looking at every pod for every pod.
 */

/** Counts by value; a value without pods may be left out. */
export interface ValueCounts {
  get(value: string): number | undefined;
}

interface Domain {
  nodes: number;
  pods: number;
}

/** A value is a domain here as long as it has a pod, or a node that was added. */
export class TopologyCounts implements ValueCounts {
  /** Pods in all domains. */
  total = 0;
  private readonly domains = new Map<string, Domain>();
  /** How many domains have so many pods. */
  private readonly levels = new Map<number, number>();
  private ascending: readonly number[] | undefined;

  /** How many domains there are. */
  get size(): number {
    return this.domains.size;
  }

  get(value: string): number | undefined {
    return this.domains.get(value)?.pods;
  }

  addNode(value: string): void {
    this.domain(value).nodes++;
  }

  removeNode(value: string): void {
    const domain = this.domain(value);
    domain.nodes--;
    this.dropIfEmpty(value, domain);
  }

  /** @param by how many pods more, or fewer when negative */
  change(value: string, by: number): void {
    if (by === 0) return;
    const domain = this.domain(value);
    this.countLevel(domain.pods, -1);
    domain.pods += by;
    this.total += by;
    this.countLevel(domain.pods, 1);
    this.dropIfEmpty(value, domain);
  }

  private domain(value: string): Domain {
    const known = this.domains.get(value);
    if (known !== undefined) return known;
    const fresh = { nodes: 0, pods: 0 };
    this.domains.set(value, fresh);
    this.countLevel(0, 1);
    return fresh;
  }

  private dropIfEmpty(value: string, { nodes, pods }: Domain): void {
    if (nodes > 0 || pods > 0) return;
    this.domains.delete(value);
    this.countLevel(0, -1);
  }

  /** Pods in the emptiest domain if `changes` were made too; Infinity without a domain. */
  least(changes?: ReadonlyMap<string, number>): number {
    this.ascending ??= [...this.levels.keys()].sort((a, b) => a - b);
    if (changes === undefined || changes.size === 0) return this.ascending[0] ?? Infinity;
    let changed = Infinity;
    const movedFrom = new Map<number, number>();
    for (const [value, by] of changes) {
      const pods = this.get(value);
      if (pods === undefined) continue;
      changed = Math.min(changed, pods + by);
      movedFrom.set(pods, (movedFrom.get(pods) ?? 0) + 1);
    }
    const unchanged = this.ascending.find(level => (this.levels.get(level) ?? 0) > (movedFrom.get(level) ?? 0));
    return Math.min(changed, unchanged ?? Infinity);
  }

  private countLevel(pods: number, by: 1 | -1): void {
    const domains = (this.levels.get(pods) ?? 0) + by;
    if (domains > 0) this.levels.set(pods, domains);
    else this.levels.delete(pods);
    if (domains === 0 || (by === 1 && domains === 1)) this.ascending = undefined;
  }
}

/** Counts with a trial's changes on top; the counts below stay as they are. */
export class TrialCounts {
  private readonly bases: readonly ValueCounts[];
  private readonly changes: Map<string, number>;

  /** @param bases are added up */
  constructor(bases: readonly ValueCounts[], changes?: ReadonlyMap<string, number>) {
    this.bases = bases;
    this.changes = new Map(changes);
  }

  of(value: string): number {
    let pods = this.changes.size === 0 ? 0 : (this.changes.get(value) ?? 0);
    for (const base of this.bases) pods += base.get(value) ?? 0;
    return pods;
  }

  change(value: string, by: number): void {
    this.changes.set(value, (this.changes.get(value) ?? 0) + by);
  }

  clone(): TrialCounts {
    return new TrialCounts(this.bases, this.changes);
  }
}
