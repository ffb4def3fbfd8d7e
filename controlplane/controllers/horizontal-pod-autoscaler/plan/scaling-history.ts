/** What an autoscaler remembers between its rounds. Immutable: each round makes the next. */
export interface ScalingHistory {
  readonly recommendations: readonly { readonly atMs: number; readonly replicas: number }[];
  /** Changes, as positive numbers. */
  readonly ups: readonly ScaleEvent[];
  readonly downs: readonly ScaleEvent[];
}

export interface ScaleEvent {
  readonly atMs: number;
  readonly change: number;
}

/** The longest window and period that validation lets through. */
const KEPT_MS = 3_600_000;

/** Begins with the size that the target has: a restart of the controller must not shrink anything at once. */
export function newHistory(replicas: number, nowMs: number): ScalingHistory {
  return { recommendations: [{ atMs: nowMs, replicas }], ups: [], downs: [] };
}

export function withRecommendation(history: ScalingHistory, replicas: number, nowMs: number): ScalingHistory {
  const recent = history.recommendations.filter(({ atMs }) => atMs > nowMs - KEPT_MS);
  return { ...history, recommendations: [...recent, { atMs: nowMs, replicas }] };
}

export function withScale(history: ScalingHistory, from: number, to: number, nowMs: number): ScalingHistory {
  const event = { atMs: nowMs, change: Math.abs(to - from) };
  const added = (events: readonly ScaleEvent[]): ScaleEvent[] => [
    ...events.filter(({ atMs }) => atMs > nowMs - KEPT_MS),
    event,
  ];
  return to > from ? { ...history, ups: added(history.ups) } : { ...history, downs: added(history.downs) };
}
