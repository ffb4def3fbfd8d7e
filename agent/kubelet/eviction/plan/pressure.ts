/**
 * What observations mean: which conditions the node has and which thresholds call for action. Pure: the state goes in and comes out.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/eviction_manager.go`, synchronize.
 */
import { countOf, SIGNALS, type PressureCondition, type Signal, type Threshold } from './thresholds.ts';

export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** Signals that the host does not tell are missing. */
export type Observations = ReadonlyMap<Signal, Observation>;

/** What is remembered between two looks. Times are monotonic milliseconds. */
export interface PressureState {
  /** Since when a threshold is met, by `keyOf`. */
  readonly metSinceMs: ReadonlyMap<string, number>;
  /** Met for their whole grace period at the last look: they hold on until the minimum is reclaimed. */
  readonly acting: readonly Threshold[];
  readonly conditionSeenMs: ReadonlyMap<PressureCondition, number>;
}

export const CALM: PressureState = { metSinceMs: new Map(), acting: [], conditionSeenMs: new Map() };

export interface PressureLook {
  readonly state: PressureState;
  readonly conditions: readonly PressureCondition[];
  /** To act upon, the most urgent first: memory before all else. */
  readonly due: readonly Threshold[];
}

const ORDER: readonly PressureCondition[] = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** @param transitionMs how long a condition outlives its threshold */
export function lookForPressure(
  state: PressureState,
  thresholds: readonly Threshold[],
  observations: Observations,
  transitionMs: number,
  nowMs: number,
): PressureLook {
  const held = new Set(state.acting.filter(threshold => isMet(threshold, observations, true)).map(keyOf));
  const met = thresholds.filter(threshold => isMet(threshold, observations, false) || held.has(keyOf(threshold)));
  const metSinceMs = new Map(met.map(threshold => [keyOf(threshold), state.metSinceMs.get(keyOf(threshold)) ?? nowMs]));
  const conditionSeenMs = new Map(state.conditionSeenMs);
  for (const { signal } of met) conditionSeenMs.set(SIGNALS[signal].condition, nowMs);
  for (const [condition, seenMs] of conditionSeenMs)
    if (seenMs < nowMs && nowMs - seenMs >= transitionMs) conditionSeenMs.delete(condition);
  const due = met.filter(({ gracePeriodMs, ...rest }) => {
    const sinceMs = metSinceMs.get(keyOf({ gracePeriodMs, ...rest })) ?? nowMs;
    return nowMs - sinceMs >= gracePeriodMs;
  });
  return {
    state: { metSinceMs, acting: due, conditionSeenMs },
    conditions: ORDER.filter(condition => conditionSeenMs.has(condition)),
    due: [...due].sort((a, b) => urgency(a) - urgency(b)),
  };
}

/** Whether nothing is short any more, the minimum reclaimed included. */
export function isRelieved(thresholds: readonly Threshold[], observations: Observations): boolean {
  return !thresholds.some(threshold => isMet(threshold, observations, true));
}

function isMet({ signal, amount, minimumReclaim }: Threshold, observations: Observations, reclaim: boolean): boolean {
  const seen = observations.get(signal);
  if (seen === undefined) return false;
  const extra = reclaim && minimumReclaim !== undefined ? countOf(minimumReclaim, seen.capacity) : 0;
  return seen.available < countOf(amount, seen.capacity) + extra;
}

function urgency({ signal }: Threshold): number {
  return SIGNALS[signal].resource === 'memory' ? 0 : 1;
}

function keyOf({ signal, gracePeriodMs }: Threshold): string {
  return `${signal} ${gracePeriodMs}`;
}

/** Looks are at least this far apart, and at most so far. */
const SHORTEST_MS = 1_000;
export const LONGEST_MS = 10_000;

/**
 * When to look again: every ten seconds while all is far off, sooner the sooner a threshold would be met at the speed of the last interval.
 *
 * @param elapsedMs between the two observations
 */
export function nextLookMs(
  thresholds: readonly Threshold[],
  before: Observations | undefined,
  now: Observations,
  elapsedMs: number,
): number {
  let nextMs = LONGEST_MS;
  for (const { signal, amount } of thresholds) {
    const seen = now.get(signal);
    const last = before?.get(signal);
    if (seen === undefined || last === undefined || elapsedMs <= 0) continue;
    const fallPerMs = (last.available - seen.available) / elapsedMs;
    if (fallPerMs <= 0) continue;
    // Half the way: what falls may fall faster.
    nextMs = Math.min(nextMs, (seen.available - countOf(amount, seen.capacity)) / fallPerMs / 2);
  }
  return Math.max(SHORTEST_MS, nextMs);
}
