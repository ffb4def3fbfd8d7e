/**
 * Which services have hints by zone, and what zones have of the cluster's processors: when that changes, services whose endpoints fit no
 * more are looked at again. Costs nothing while no service asks for such hints.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isConditionTrue } from '../../../machinery/meta/object.ts';
import { isOverloaded, zoneRatios, type HintsOutcome, type ZoneCounts, type ZoneRatios } from './plan/zone-hints.ts';

/** What is told of a service whose hints came or went; upstream's reasons. */
export interface HintsEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'TopologyAwareHintsEnabled' | 'TopologyAwareHintsDisabled';
  readonly message: string;
}

export class ZoneShares {
  private readonly nodes: Informer<Node>;
  private current: { readonly ratios: ZoneRatios | undefined } | undefined;
  /** By service and family; undefined: it asks for hints and can have none now. */
  private readonly services = new Map<string, Map<string, ZoneCounts | undefined>>();

  /** @param wake is told the keys of services to look at again */
  constructor(nodes: Informer<Node>, wake: (key: string) => void) {
    this.nodes = nodes;
    const changed = (): void => {
      this.current = undefined;
      if (this.services.size === 0) return;
      for (const [key, byFamily] of this.services) {
        const isStale = [...byFamily.values()].some(
          counts => counts === undefined || isOverloaded(counts, this.ratios()),
        );
        if (isStale) wake(key);
      }
    };
    nodes.addHandler({
      onAdd: changed,
      onUpdate: (older, node) => void (matters(older, node) && changed()),
      onDelete: changed,
    });
  }

  ratios(): ZoneRatios | undefined {
    this.current ??= { ratios: zoneRatios(this.nodes.lister.list()) };
    return this.current.ratios;
  }

  /** @param outcomes by family; empty for a service that asks for no hints @returns what is to be told of it */
  settle(key: string, outcomes: ReadonlyMap<string, HintsOutcome>): HintsEvent[] {
    const before = this.services.get(key);
    const hadHints = [...(before?.values() ?? [])].some(counts => counts !== undefined);
    if (outcomes.size === 0) {
      this.services.delete(key);
      const families = hadHints ? [...(before?.keys() ?? [])] : [];
      return families.map(family => disabled('Topology Aware Hints has been disabled', family));
    }
    const next = [...outcomes].map(([family, outcome]) => {
      return [family, outcome.kind === 'assigned' ? outcome.byZone : undefined] as const;
    });
    this.services.set(key, new Map(next));
    return [...outcomes].flatMap(([family, outcome]): HintsEvent[] => {
      if (outcome.kind === 'none') return [disabled(outcome.why, family)];
      if (before?.get(family) !== undefined) return [];
      const message = `Topology Aware Hints has been enabled, addressType: ${family}`;
      return [{ type: 'Normal', reason: 'TopologyAwareHintsEnabled', message }];
    });
  }

  forget(key: string): void {
    this.services.delete(key);
  }
}

function disabled(why: string, family: string): HintsEvent {
  return { type: 'Warning', reason: 'TopologyAwareHintsDisabled', message: `${why}, addressType: ${family}` };
}

/** Heartbeats change a Node all the time. */
function matters(older: Node, node: Node): boolean {
  return (
    isConditionTrue(older.status?.conditions, 'Ready') !== isConditionTrue(node.status?.conditions, 'Ready') ||
    older.status?.allocatable?.['cpu'] !== node.status?.allocatable?.['cpu'] ||
    !jsonEquals(older.metadata.labels, node.metadata.labels)
  );
}
