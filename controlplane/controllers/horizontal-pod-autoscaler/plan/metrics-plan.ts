/**
 * All metrics of an autoscaler together: the highest count wins, and what cannot be had never shrinks a target. Pure.
 * Source: upstream `pkg/controller/podautoscaler/horizontal.go`, computeReplicasForMetrics.
 */
import type {
  HorizontalPodAutoscalerSpec,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../../../proto/api/autoscaling-v2.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { PodMetrics } from '../../../../proto/api/metrics-metrics-v1beta1.ts';
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import { Quantity, tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { MetricError, proposeReplicas, type PodUsage, type ReplicaProposal, type Tolerances } from './replica-count.ts';

export interface MetricsInput {
  readonly spec: HorizontalPodAutoscalerSpec;
  readonly namespace: string;
  readonly currentReplicas: number;
  readonly pods: readonly Pod[];
  /** What metrics.k8s.io says of these pods, or why it says nothing. */
  readonly metrics: readonly PodMetrics[] | Error;
  readonly nowMs: number;
}

/** A metric that says nothing: for an event, and for the condition ScalingActive. */
export interface MetricFailure {
  readonly reason: string;
  readonly message: string;
  /** In the words of FailedComputeMetricsReplicas. */
  readonly whole: string;
}

export interface MetricsPlan {
  /** Undefined: nothing may be done. */
  readonly replicas: number | undefined;
  /** Of the metric that asks for them. */
  readonly metricName: string;
  readonly statuses: MetricStatus[];
  readonly failures: readonly MetricFailure[];
  /** What each metric asks for by itself, in order; undefined: it says nothing. */
  readonly each: readonly (number | undefined)[];
}

const DEFAULT_TOLERANCE = 0.1;

export function planMetrics(input: MetricsInput): MetricsPlan {
  const statuses: MetricStatus[] = [];
  const failures: MetricFailure[] = [];
  const each: (number | undefined)[] = [];
  let best: { replicas: number; metricName: string } | undefined;
  const specs = input.spec.metrics ?? [];
  for (const spec of specs) {
    try {
      const { replicas, metricName, status } = ofMetric(input, spec);
      statuses.push(status);
      each.push(replicas);
      if (best === undefined || replicas > best.replicas) best = { replicas, metricName };
    } catch (error) {
      if (!(error instanceof MetricError)) throw error;
      failures.push(failureOf(spec, error.message));
      each.push(undefined);
    }
  }
  const shrinksUnseeing = failures.length > 0 && best !== undefined && best.replicas < input.currentReplicas;
  if (best === undefined || shrinksUnseeing) return { replicas: undefined, metricName: '', statuses, failures, each };
  return { ...best, statuses, failures, each };
}

function failureOf(spec: MetricSpec, message: string): MetricFailure {
  const name = (spec.resource ?? spec.containerResource)?.name ?? '';
  switch (spec.type) {
    case 'Resource':
      return {
        reason: 'FailedGetResourceMetric',
        message,
        whole: `failed to get ${name} resource metric value: failed to get ${name} utilization: ${message}`,
      };
    case 'ContainerResource':
      return {
        reason: 'FailedGetContainerResourceMetric',
        message,
        whole: `failed to get ${name} container metric value: failed to get ${name} utilization: ${message}`,
      };
    case 'Pods':
      return { reason: 'FailedGetPodsMetric', message, whole: `failed to get pods metric value: ${message}` };
    case 'Object':
      return { reason: 'FailedGetObjectMetric', message, whole: `failed to get object metric value: ${message}` };
    case 'External':
      return {
        reason: 'FailedGetExternalMetric',
        message,
        whole: `failed to get ${spec.external?.metric.name ?? ''} external metric value: ${message}`,
      };
    default:
      return { reason: 'InvalidMetricSourceType', message, whole: message };
  }
}

interface Outcome {
  readonly replicas: number;
  readonly metricName: string;
  readonly status: MetricStatus;
}

const NO_CUSTOM = 'no custom metrics API (custom.metrics.k8s.io) registered';
const NO_EXTERNAL = 'no external metrics API (external.metrics.k8s.io) registered';

/** @throws MetricError */
function ofMetric(input: MetricsInput, spec: MetricSpec): Outcome {
  const { resource, containerResource, pods, object, external } = spec;
  if (resource !== undefined) {
    const { proposal, suffix } = ofResource(input, resource, undefined);
    const status = { type: spec.type, resource: { name: resource.name, current: currentOf(proposal) } };
    return { replicas: proposal.replicas, metricName: `${resource.name} resource${suffix}`, status };
  }
  if (containerResource !== undefined) {
    const { name, container } = containerResource;
    const { proposal, suffix } = ofResource(input, containerResource, container);
    const status = { type: spec.type, containerResource: { name, container, current: currentOf(proposal) } };
    return { replicas: proposal.replicas, metricName: `${name} container resource${suffix}`, status };
  }
  if (pods !== undefined)
    throw new MetricError(
      `unable to get metric ${pods.metric.name}: unable to fetch metrics from custom metrics API: ${NO_CUSTOM}`,
    );
  if (object !== undefined) {
    const { kind, name } = object.describedObject;
    const on = `on ${kind} ${input.namespace}/${name}`;
    throw new MetricError(
      `unable to get metric ${object.metric.name}: ${on}: unable to fetch metrics from custom metrics API: ${NO_CUSTOM}`,
    );
  }
  if (external !== undefined) {
    const metric = `${input.namespace}/${external.metric.name}`;
    throw new MetricError(
      `unable to get external metric ${metric}: unable to fetch metrics from external metrics API: ${NO_EXTERNAL}`,
    );
  }
  throw new MetricError(`unknown metric source type ${JSON.stringify(spec.type)}`);
}

function ofResource(
  input: MetricsInput,
  { name, target }: { readonly name: string; readonly target: MetricTarget },
  container: string | undefined,
): { proposal: ReplicaProposal; suffix: string } {
  const average = tryParseQuantity(target.averageValue ?? '');
  const { averageUtilization } = target;
  if (average === undefined && averageUtilization === undefined)
    throw new MetricError(
      'invalid resource metric source: neither an average utilization target nor an average value target was set',
    );
  const { currentReplicas, pods, nowMs, spec } = input;
  const proposal = proposeReplicas({
    resource: name,
    container,
    target:
      average === undefined
        ? { kind: 'utilization', value: averageUtilization ?? 0 }
        : { kind: 'average', value: average.milliValue() },
    currentReplicas,
    pods,
    usages: usagesOf(input, name, container),
    tolerances: tolerancesOf(spec),
    nowMs,
  });
  return { proposal, suffix: average === undefined ? ' utilization (percentage of request)' : '' };
}

/** By pod. @throws MetricError */
function usagesOf(
  { metrics, namespace }: MetricsInput,
  resource: string,
  only: string | undefined,
): Map<string, PodUsage> {
  const failed = (why: string): MetricError =>
    new MetricError(`unable to get metrics for resource ${resource}: ${why}`);
  if (metrics instanceof Error) throw failed(`unable to fetch metrics from resource metrics API: ${metrics.message}`);
  if (metrics.length === 0) throw failed('no metrics returned from resource metrics API');
  const usages = new Map<string, PodUsage>();
  for (const { metadata, containers, timestamp, window } of metrics) {
    const { name = '' } = metadata;
    const wanted = containers.filter(container => only === undefined || container.name === only);
    if (only !== undefined && wanted.length === 0)
      throw failed(`container ${only} not present in metrics for pod ${namespace}/${name}`);
    const amounts = wanted.map(({ usage }) => tryParseQuantity(usage[resource] ?? ''));
    if (amounts.some(amount => amount === undefined)) continue;
    const milli = amounts.reduce((sum, amount) => sum + (amount?.milliValue() ?? 0), 0);
    usages.set(name, { milli, timeMs: parseTime(timestamp) ?? 0, windowMs: parseDurationMs(window) ?? 0 });
  }
  return usages;
}

function tolerancesOf({ behavior }: HorizontalPodAutoscalerSpec): Tolerances {
  const read = (text: string | undefined): number => tryParseQuantity(text ?? '')?.toNumber() ?? DEFAULT_TOLERANCE;
  return { up: read(behavior?.scaleUp?.tolerance), down: read(behavior?.scaleDown?.tolerance) };
}

function currentOf({ utilization, averageMilli }: ReplicaProposal): MetricValueStatus {
  const averageValue = Quantity.ofMilli(averageMilli).toString();
  return utilization === undefined ? { averageValue } : { averageUtilization: utilization, averageValue };
}
