/**
 * HorizontalPodAutoscalers of autoscaling/v1: a target for cpu alone; everything else of v2 travels in annotations.
 * Source: Kubernetes `pkg/apis/autoscaling/v1/conversion.go`, 1.36.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import type { HorizontalPodAutoscaler as V1 } from '../../../../proto/api/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler as V2,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  MetricSpec,
  MetricStatus,
} from '../../../../proto/api/autoscaling-v2.ts';
import type { Conversion } from '../../registry/served-resource.ts';

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';

/** The stored form. */
export function toAutoscalingV2(v1: V1): V2 {
  const { targetCPUUtilizationPercentage: percent, ...spec } = v1.spec;
  const {
    [METRICS]: metricsText,
    [BEHAVIOR]: behaviorText,
    [CONDITIONS]: conditionsText,
    [CURRENT]: currentText,
    ...annotations
  } = v1.metadata.annotations ?? {};
  const metrics = parsed<MetricSpec[]>(metricsText) ?? [];
  const behavior = parsed<HorizontalPodAutoscalerBehavior>(behaviorText);
  if (percent !== undefined) {
    metrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
    });
  }
  const metadata = { ...v1.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  else delete metadata.annotations;
  const { currentCPUUtilizationPercentage: measured, ...status } = v1.status ?? {
    currentReplicas: 0,
    desiredReplicas: 0,
  };
  const current = parsed<MetricStatus[]>(currentText) ?? [];
  if (measured !== undefined)
    current.unshift({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: measured } } });
  const conditions = parsed<HorizontalPodAutoscalerCondition[]>(conditionsText);
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: { ...spec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior === undefined ? {} : { behavior }) },
    ...(v1.status === undefined
      ? {}
      : {
          status: {
            ...status,
            ...(current.length > 0 ? { currentMetrics: current } : {}),
            ...(conditions === undefined ? {} : { conditions }),
          },
        }),
  };
}

/** What clients of v1 see. */
export function fromAutoscalingV2(v2: V2): V1 {
  const { metrics = [], behavior, ...spec } = v2.spec;
  const cpu = metrics.find(isCpuTarget);
  const {
    observedGeneration,
    lastScaleTime,
    currentReplicas = 0,
    desiredReplicas = 0,
    currentMetrics = [],
    conditions = [],
  } = v2.status ?? {};
  const measured = currentMetrics.find(isCpuStatus);
  const annotations = { ...v2.metadata.annotations };
  const carry = (name: string, value: readonly unknown[] | object | undefined): void => {
    if (value !== undefined && (!Array.isArray(value) || value.length > 0)) annotations[name] = JSON.stringify(value);
  };
  carry(
    METRICS,
    metrics.filter(metric => metric !== cpu),
  );
  carry(BEHAVIOR, behavior);
  carry(CONDITIONS, conditions);
  carry(
    CURRENT,
    currentMetrics.filter(metric => metric !== measured),
  );
  const metadata = { ...v2.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  const percent = cpu?.resource?.target.averageUtilization;
  const share = measured?.resource?.current.averageUtilization;
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
      ...(share === undefined ? {} : { currentCPUUtilizationPercentage: share }),
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

function isCpuStatus(metric: MetricStatus): boolean {
  return metric.resource?.name === 'cpu' && metric.resource.current.averageUtilization !== undefined;
}

function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
