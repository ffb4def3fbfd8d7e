/**
 * HorizontalPodAutoscalers of autoscaling/v1: a target for cpu alone; everything else of v2 travels in annotations.
 * Source: Kubernetes `pkg/apis/autoscaling/v1/conversion.go`, 1.36.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import type { HorizontalPodAutoscaler as V1 } from '../../../../proto/api/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler as V2,
  MetricSpec,
  HorizontalPodAutoscalerBehavior,
} from '../../../../proto/api/autoscaling-v2.ts';
import type { Conversion } from '../../registry/served-resource.ts';

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';

/** The stored form. */
export function toAutoscalingV2(v1: V1): V2 {
  const { targetCPUUtilizationPercentage: percent, ...spec } = v1.spec;
  const annotations = { ...v1.metadata.annotations };
  const metrics: MetricSpec[] = parsed<MetricSpec[]>(annotations[METRICS]) ?? [];
  const behavior = parsed<HorizontalPodAutoscalerBehavior>(annotations[BEHAVIOR]);
  delete annotations[METRICS];
  delete annotations[BEHAVIOR];
  if (percent !== undefined) {
    metrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
    });
  }
  const metadata = { ...v1.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  else delete metadata.annotations;
  const { currentCPUUtilizationPercentage: _percent, ...status } = v1.status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: { ...spec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior === undefined ? {} : { behavior }) },
    ...(v1.status === undefined ? {} : { status }),
  };
}

/** What clients of v1 see. */
export function fromAutoscalingV2(v2: V2): V1 {
  const { metrics = [], behavior, ...spec } = v2.spec;
  const cpu = metrics.find(isCpuTarget);
  const others = metrics.filter(metric => metric !== cpu);
  const annotations = { ...v2.metadata.annotations };
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others);
  if (behavior !== undefined) annotations[BEHAVIOR] = JSON.stringify(behavior);
  const metadata = { ...v2.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  const percent = cpu?.resource?.target.averageUtilization;
  const measured = v2.status?.currentMetrics?.find(metric => metric.resource?.name === 'cpu')?.resource?.current
    .averageUtilization;
  const { observedGeneration, lastScaleTime, currentReplicas = 0, desiredReplicas = 0 } = v2.status ?? {};
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: { ...spec, ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }) },
    status: {
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      currentReplicas,
      desiredReplicas,
      ...(measured === undefined ? {} : { currentCPUUtilizationPercentage: measured }),
    },
  };
}

/** Both directions, as the registry takes them. */
export const autoscalingV1Conversion: Conversion = {
  toStorage: object => toAutoscalingV2(object as unknown as V1) as AnyObject,
  fromStorage: object => fromAutoscalingV2(object as unknown as V2) as AnyObject,
};

function isCpuTarget(metric: MetricSpec): boolean {
  return metric.resource?.name === 'cpu' && metric.resource.target.averageUtilization !== undefined;
}

function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
