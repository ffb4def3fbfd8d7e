/**
 * From what the metrics ask for to what is done: stabilisation windows, scaling policies, bounds. Pure.
 * Source: upstream `pkg/controller/podautoscaler/horizontal.go`; KEP-853 (configurable speed).
 */
import type { HorizontalPodAutoscalerSpec, HPAScalingRules } from '../../../../proto/api/autoscaling-v2.ts';
import type { ScaleEvent, ScalingHistory } from './scaling-history.ts';

/** One condition's reason and message. */
export interface Why {
  readonly reason: string;
  readonly message: string;
}

export interface Normalized {
  readonly replicas: number;
  /** For AbleToScale, which is True. */
  readonly able: Why;
  /** For ScalingLimited. */
  readonly limited: Why & { readonly isLimited: boolean };
}

export interface NormalizeInput {
  readonly spec: HorizontalPodAutoscalerSpec;
  readonly current: number;
  /** What the metrics ask for. */
  readonly desired: number;
  /** Without the present recommendation. */
  readonly history: ScalingHistory;
  readonly nowMs: number;
}

const DOWN_WINDOW_SECONDS = 300;
/** Where no rules are given, a target at most doubles at once, or gets so many. */
const PLAIN_UP_PODS = 4;

export function normalize(input: NormalizeInput): Normalized {
  const { replicas: stable, able } = stabilize(input);
  const { replicas, ...why } = limit({ ...input, desired: stable });
  return { replicas, able, limited: { ...why, isLimited: replicas !== stable } };
}

function stabilize({ spec, current, desired, history, nowMs }: NormalizeInput): { replicas: number; able: Why } {
  const up = desired >= current;
  const rules = up ? spec.behavior?.scaleUp : spec.behavior?.scaleDown;
  const windowSeconds = rules?.stabilizationWindowSeconds ?? (up ? 0 : DOWN_WINDOW_SECONDS);
  const recent = history.recommendations.filter(({ atMs }) => atMs > nowMs - windowSeconds * 1000);
  const all = [desired, ...recent.map(({ replicas }) => replicas)];
  const replicas = up ? Math.min(...all) : Math.max(...all);
  if (replicas === desired)
    return { replicas, able: { reason: 'ReadyForNewScale', message: 'recommended size matches current size' } };
  const [reason, than, which] = up
    ? ['ScaleUpStabilized', 'lower', 'lowest']
    : ['ScaleDownStabilized', 'higher', 'highest'];
  const message = `recent recommendations were ${than} than current one, applying the ${which} recent recommendation`;
  return { replicas, able: { reason, message } };
}

function limit({ spec, current, desired, history, nowMs }: NormalizeInput): Why & { replicas: number } {
  const { maxReplicas, minReplicas = 1, behavior } = spec;
  if (desired > current) {
    const allowed = Math.max(current, upLimit(behavior?.scaleUp, current, history, nowMs));
    const most = Math.min(maxReplicas, allowed);
    if (desired > most) return { replicas: most, ...(maxReplicas > allowed ? FAST_UP : TOO_MANY) };
  } else if (desired < current) {
    const allowed = Math.min(current, downLimit(behavior?.scaleDown, current, history, nowMs));
    const fewest = Math.max(minReplicas, allowed);
    if (desired < fewest) return { replicas: fewest, ...(minReplicas < allowed ? FAST_DOWN : TOO_FEW) };
  }
  return { replicas: desired, ...WITHIN };
}

const WITHIN: Why = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const TOO_MANY: Why = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
};
const TOO_FEW: Why = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
};
const FAST_UP: Why = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
};
const FAST_DOWN: Why = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};

function changeWithin(events: readonly ScaleEvent[], seconds: number, nowMs: number): number {
  return events.filter(({ atMs }) => atMs > nowMs - seconds * 1000).reduce((sum, { change }) => sum + change, 0);
}

/** What the target had when the period began. */
function sizeBefore({ ups, downs }: ScalingHistory, current: number, seconds: number, nowMs: number): number {
  return current - changeWithin(ups, seconds, nowMs) + changeWithin(downs, seconds, nowMs);
}

/** The most that policies let the target grow to now. */
function upLimit(rules: HPAScalingRules | undefined, current: number, history: ScalingHistory, nowMs: number): number {
  if (rules === undefined) return Math.max(PLAIN_UP_PODS, 2 * current);
  const { selectPolicy, policies = [] } = rules;
  if (selectPolicy === 'Disabled') return current;
  const limits = policies.map(({ type, value, periodSeconds }) => {
    const before = sizeBefore(history, current, periodSeconds, nowMs);
    return type === 'Pods' ? before + value : Math.ceil((before * (100 + value)) / 100);
  });
  return selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits);
}

/** The fewest that policies let the target shrink to now. */
function downLimit(
  rules: HPAScalingRules | undefined,
  current: number,
  history: ScalingHistory,
  nowMs: number,
): number {
  if (rules === undefined) return 0;
  const { selectPolicy, policies = [] } = rules;
  if (selectPolicy === 'Disabled') return current;
  const limits = policies.map(({ type, value, periodSeconds }) => {
    const before = sizeBefore(history, current, periodSeconds, nowMs);
    return type === 'Pods' ? before - value : Math.trunc((before * (100 - value)) / 100);
  });
  return selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits);
}
