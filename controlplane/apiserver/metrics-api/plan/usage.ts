/**
 * Usage out of two points of a counter. Pure. Source: metrics-server `pkg/storage`: what began between the points, or began anew, is
 * measured from its start.
 */
import { parseQuantity, Quantity } from '../../../../machinery/meta/quantity.ts';
import type { Point } from './node-point.ts';

export interface Usage {
  /** Of the newer point, milliseconds since the epoch. */
  readonly timeMs: number;
  readonly windowMs: number;
  /** Billionths of a core. */
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
}

/** A start that is so fresh says nothing yet. */
const MIN_WINDOW_MS = 100;

/** Undefined when the points do not say: too close to each other, or the only one, of something that began who knows when. */
export function usageBetween(older: Point | undefined, newer: Point): Usage | undefined {
  const { startedAtMs } = newer;
  const restarted = older === undefined || newer.cpuSeconds < older.cpuSeconds || startedAtMs !== older.startedAtMs;
  const since = restarted ? (startedAtMs === undefined ? undefined : { timeMs: startedAtMs, cpuSeconds: 0 }) : older;
  if (since === undefined) return undefined;
  const windowMs = newer.timeMs - since.timeMs;
  if (windowMs < MIN_WINDOW_MS) return undefined;
  const cpuNanoCores = Math.round(((newer.cpuSeconds - since.cpuSeconds) / windowMs) * 1e12);
  return { timeMs: newer.timeMs, windowMs, cpuNanoCores, memoryBytes: newer.memoryBytes };
}

/** As metrics-server writes it: `137442984n`, `1024Ki`. */
export function usageList({ cpuNanoCores, memoryBytes }: Usage): { cpu: string; memory: string } {
  return {
    cpu: new Quantity(BigInt(Math.max(0, cpuNanoCores)), 'DecimalSI').toString(),
    memory: Quantity.of(Math.round(memoryBytes), 'BinarySI').toString(),
  };
}

/** What containers use together. */
export function sumOfLists(lists: readonly Readonly<Record<string, string>>[]): { cpu: string; memory: string } {
  const sum = (name: string): string =>
    lists.reduce((total, list) => total.add(parseQuantity(list[name] ?? '0')), Quantity.zero).toString();
  return { cpu: sum('cpu'), memory: sum('memory') };
}
