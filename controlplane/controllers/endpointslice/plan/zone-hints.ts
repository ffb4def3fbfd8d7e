/**
 * Shares a service's endpoints out over zones in proportion to the processors of their nodes, so that traffic stays in its zone and no
 * endpoint gets more than a fifth above its share. Pure.
 *
 * Slices whose hints still fit stay as they are; the endpoints of all others are for their own zone first, then zones with too many give
 * to zones with too few.
 * Source: upstream `endpointslice/topologycache`, KEP-2433.
 */
import type { Node } from '../../../../proto/api/core-v1.ts';
import type { Endpoint } from '../../../../proto/api/discovery-v1.ts';
import { isConditionTrue } from '../../../../machinery/meta/object.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';

const ZONE = 'topology.kubernetes.io/zone';
/** Their processors do no work of services. */
const EXCLUDED = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
/** An endpoint may get so much more than its share. */
const OVERLOAD = 0.2;

/** What part of all processors a zone has; zones by name. */
export type ZoneRatios = ReadonlyMap<string, number>;
/** How many endpoints are for each zone. */
export type ZoneCounts = ReadonlyMap<string, number>;

/** Endpoints of one slice; `isKept`: nothing of them changed so far. */
export interface HintedSlice {
  endpoints: Endpoint[];
  isKept: boolean;
}

/** How many endpoints are for each zone, or why none are for any: upstream's words, for an event. */
export type HintsOutcome =
  { readonly kind: 'assigned'; readonly byZone: ZoneCounts } | { readonly kind: 'none'; readonly why: string };

interface Allocation {
  readonly maximum: number;
  readonly desired: number;
}

/** @returns undefined when there are fewer than two zones, or a node says neither zone nor processors */
export function zoneRatios(nodes: readonly Node[]): ZoneRatios | undefined {
  const byZone = new Map<string, number>();
  let total = 0;
  for (const { metadata, status } of nodes) {
    const labels = metadata.labels ?? {};
    if (EXCLUDED.some(name => name in labels) || !isConditionTrue(status?.conditions, 'Ready')) continue;
    const zone = labels[ZONE] ?? '';
    const cpus = tryParseQuantity(status?.allocatable?.['cpu'] ?? '0')?.milliValue() ?? 0;
    if (zone === '' || cpus === 0) return undefined;
    byZone.set(zone, (byZone.get(zone) ?? 0) + cpus);
    total += cpus;
  }
  if (byZone.size < 2) return undefined;
  return new Map([...byZone].sort().map(([zone, cpus]) => [zone, cpus / total]));
}

/** Writes hints into the endpoints of `slices`, and takes `isKept` from those that it touches. */
export function assignZoneHints(slices: readonly HintedSlice[], ratios: ZoneRatios | undefined): HintsOutcome {
  const ready = slices.reduce((sum, { endpoints }) => sum + endpoints.filter(isReady).length, 0);
  const allocations = allocate(ready, ratios);
  const outcome = typeof allocations === 'string' ? allocations : share(slices, allocations);
  if (typeof outcome !== 'string') return { kind: 'assigned', byZone: outcome };
  for (const slice of slices) {
    if (!slice.endpoints.some(({ hints }) => hints !== undefined)) continue;
    slice.isKept = false;
    slice.endpoints = slice.endpoints.map(endpoint => withHint(endpoint, undefined));
  }
  return { kind: 'none', why: outcome };
}

/** Whether a zone has too few endpoints for the processors that it has now. */
export function isOverloaded(byZone: ZoneCounts, ratios: ZoneRatios | undefined): boolean {
  if (byZone.size === 0) return false;
  if (ratios === undefined) return true;
  const total = [...byZone.values()].reduce((sum, n) => sum + n, 0);
  return [...ratios].some(([zone, ratio]) => (byZone.get(zone) ?? -1) < minimumOf(total * ratio));
}

function minimumOf(desired: number): number {
  return Math.ceil(desired / (1 + OVERLOAD));
}

/** @returns why it cannot be done, if so */
function allocate(count: number, ratios: ZoneRatios | undefined): Map<string, Allocation> | string {
  if (ratios === undefined)
    return 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes';
  const figures = `(${count} endpoints, ${ratios.size} zones)`;
  if (ratios.size > count) return `Insufficient number of endpoints ${figures}`;
  const minima = [...ratios].map(([zone, ratio]) => ({
    zone,
    desired: ratio * count,
    minimum: minimumOf(ratio * count),
  }));
  const spare = count - minima.reduce((sum, { minimum }) => sum + minimum, 0);
  if (spare < 0)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${figures}`;
  return new Map(
    minima.map(({ zone, desired, minimum }) => [
      zone,
      { maximum: minimum + spare, desired: Math.max(desired, minimum) },
    ]),
  );
}

function share(slices: readonly HintedSlice[], allocations: ReadonlyMap<string, Allocation>): ZoneCounts | string {
  const byZone = new Map<string, number>();
  const add = (zone: string, n: number): void => void byZone.set(zone, (byZone.get(zone) ?? 0) + n);
  for (const slice of slices) {
    if (!slice.isKept) continue;
    const counts = countsIfFit(slice, byZone, allocations);
    if (counts === undefined) slice.isKept = false;
    else for (const [zone, n] of counts) add(zone, n);
  }
  const open = slices.filter(slice => !slice.isKept);
  for (const slice of open) {
    if (slice.endpoints.some(endpoint => isReady(endpoint) && (endpoint.zone ?? '') === ''))
      return 'One or more endpoints do not have a zone specified';
    slice.endpoints = slice.endpoints.map(endpoint => {
      const zone = isReady(endpoint) ? endpoint.zone : undefined;
      if (zone !== undefined) add(zone, 1);
      return withHint(endpoint, zone);
    });
  }
  const moves = movesBetween(allocations, byZone);
  for (const slice of open) {
    slice.endpoints = slice.endpoints.map(endpoint => {
      const at = isReady(endpoint) ? moves.findIndex(({ from }) => from === endpoint.zone) : -1;
      const move = moves[at];
      if (move === undefined) return endpoint;
      moves.splice(at, 1);
      add(move.from, -1);
      add(move.to, 1);
      return withHint(endpoint, move.to);
    });
  }
  return byZone.size === 0 ? 'No hints allocated for zones' : byZone;
}

/** Undefined if a ready endpoint is for no zone or for one that has no nodes, or a zone would get so many that others get too few. */
function countsIfFit(
  { endpoints }: HintedSlice,
  before: ZoneCounts,
  allocations: ReadonlyMap<string, Allocation>,
): ZoneCounts | undefined {
  const counts = new Map<string, number>();
  for (const endpoint of endpoints) {
    if (!isReady(endpoint)) continue;
    const zones = endpoint.hints?.forZones ?? [];
    if (zones.length === 0) return undefined;
    for (const { name } of zones) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const fits = [...counts].every(([zone, n]) => n + (before.get(zone) ?? 0) <= (allocations.get(zone)?.maximum ?? -1));
  return fits ? counts : undefined;
}

/** One entry an endpoint that one zone gives to another. */
function movesBetween(
  allocations: ReadonlyMap<string, Allocation>,
  byZone: ZoneCounts,
): { readonly from: string; readonly to: string }[] {
  const surplus = new Map<string, number>();
  // Differs: endpoints of a zone that has no nodes now are for others, and do not wait for nobody.
  for (const [zone, count] of byZone) surplus.set(zone, count);
  for (const [zone, { desired }] of allocations) surplus.set(zone, (byZone.get(zone) ?? 0) - desired);
  const moves: { from: string; to: string }[] = [];
  for (;;) {
    const sorted = [...surplus].sort((a, b) => b[1] - a[1]);
    const [from, tooMany] = sorted[0] ?? ['', 0];
    const [to, minusTooFew] = sorted.at(-1) ?? ['', 0];
    const tooFew = -minusTooFew;
    // Half an endpoint is not worth a move, and one side at least has to win a whole one by it.
    if (tooMany < 0.5 || tooFew < 0.5 || (tooMany < 1 && tooFew < 1)) return moves;
    moves.push({ from, to });
    surplus.set(from, tooMany - 1);
    surplus.set(to, minusTooFew + 1);
  }
}

function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready === true;
}

function withHint({ hints: _, ...endpoint }: Endpoint, zone: string | undefined): Endpoint {
  return zone === undefined ? endpoint : { ...endpoint, hints: { forZones: [{ name: zone }] } };
}
