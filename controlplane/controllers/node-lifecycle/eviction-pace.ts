/**
 * Who may be tainted NoExecute now: one node of a zone after the other, at the pace of the zone's health, and nobody while no node of the cluster is
 * ready: then it is us who hear nothing.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import { readinessOf } from './plan/health.ts';
import { evictionsPerSecond, zoneOf, zoneState, type ZoneHealth } from './plan/zones.ts';

interface Zone {
  ready: number;
  notReady: number;
  perSecond: number;
  /** Monotonic time from which on the next one may be. */
  freeAtMs: number;
}

export class EvictionPace {
  private readonly zones = new Map<string, Zone>();
  private readonly nodes = new Map<string, { zone: string; isReady: boolean }>();
  private wasDown = false;
  private readonly onChange: () => void;

  /** @param onChange the pace is another one: who waits should ask again */
  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** No node of any zone is ready. */
  get isAllDown(): boolean {
    return this.zones.size > 0 && [...this.zones.values()].every(zone => zoneState(zone) === 'full');
  }

  see(node: Node, nowMs: number): void {
    const name = node.metadata.name ?? '';
    const known = this.nodes.get(name);
    const [zone, isReady] = [zoneOf(node), readinessOf(node) === 'True'];
    if (known?.zone === zone && known.isReady === isReady) return;
    if (known !== undefined) this.count(known, -1);
    this.nodes.set(name, { zone, isReady });
    this.count({ zone, isReady }, 1);
    this.adapt(nowMs);
  }

  forget(name: string, nowMs: number): void {
    const known = this.nodes.get(name);
    if (known === undefined) return;
    this.nodes.delete(name);
    this.count(known, -1);
    this.adapt(nowMs);
  }

  /** @returns 0: it may be, and the next of its zone waits; else how long it waits, Infinity until the pace changes */
  take(node: Node, nowMs: number): number {
    const zone = this.zones.get(zoneOf(node));
    if (zone === undefined || zone.perSecond === 0 || this.isAllDown) return Infinity;
    if (nowMs < zone.freeAtMs) return zone.freeAtMs - nowMs;
    zone.freeAtMs = nowMs + 1000 / zone.perSecond;
    return 0;
  }

  private count({ zone: name, isReady }: { zone: string; isReady: boolean }, by: number): void {
    let zone = this.zones.get(name);
    if (zone === undefined) {
      zone = { ready: 0, notReady: 0, perSecond: evictionsPerSecond({ ready: 0, notReady: 0 }), freeAtMs: 0 };
      this.zones.set(name, zone);
    }
    if (isReady) zone.ready += by;
    else zone.notReady += by;
    if (zone.ready + zone.notReady === 0) this.zones.delete(name);
  }

  private adapt(nowMs: number): void {
    let changed = this.wasDown !== this.isAllDown;
    this.wasDown = this.isAllDown;
    for (const zone of this.zones.values()) {
      const perSecond = evictionsPerSecond(zone satisfies ZoneHealth);
      if (perSecond === zone.perSecond) continue;
      // Whoever waits goes on to wait, at the new pace.
      if (nowMs < zone.freeAtMs && perSecond > 0) zone.freeAtMs = nowMs + 1000 / perSecond;
      zone.perSecond = perSecond;
      changed = true;
    }
    if (changed) this.onChange();
  }
}
