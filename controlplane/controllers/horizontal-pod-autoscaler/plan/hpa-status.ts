/** The status of an autoscaler while one round makes it: begins with what it says already. No clock of its own. */
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from '../../../../proto/api/autoscaling-v2.ts';
import { setCondition } from '../../../../machinery/meta/object.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';

type ConditionType = 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';

/** How a round ended, in the words of upstream's metrics. */
export interface Outcome {
  readonly action: 'scale_up' | 'scale_down' | 'none';
  readonly error: 'spec' | 'internal' | 'none';
}

const OF_THE_SPEC = ['InvalidSelector', 'AmbiguousSelector', 'InvalidMetricSourceType'];

export class HpaStatus {
  currentReplicas: number;
  desiredReplicas: number;
  currentMetrics: MetricStatus[];
  private conditions: readonly HorizontalPodAutoscalerCondition[];
  private lastScaleTime: string | undefined;
  private readonly observedGeneration: number | undefined;
  private readonly now: string;

  constructor({ metadata, status }: HorizontalPodAutoscaler, nowMs: number) {
    this.currentReplicas = status?.currentReplicas ?? 0;
    this.desiredReplicas = status?.desiredReplicas ?? 0;
    this.currentMetrics = status?.currentMetrics ?? [];
    this.conditions = status?.conditions ?? [];
    this.lastScaleTime = status?.lastScaleTime;
    this.observedGeneration = metadata.generation;
    this.now = formatTime(nowMs);
  }

  set(type: ConditionType, isTrue: boolean, reason: string, message: string): void {
    const condition: HorizontalPodAutoscalerCondition = { type, status: isTrue ? 'True' : 'False', reason, message };
    this.conditions = setCondition<HorizontalPodAutoscalerCondition>(this.conditions, condition, this.now);
  }

  markScaled(): void {
    this.lastScaleTime = this.now;
  }

  get outcome(): Outcome {
    const isScaled = this.lastScaleTime === this.now && this.desiredReplicas !== this.currentReplicas;
    const up = this.desiredReplicas > this.currentReplicas;
    const wrong = this.conditions.find(({ type, status, reason }) => {
      return status === 'False' && type !== 'ScalingLimited' && reason !== 'ScalingDisabled';
    });
    const error = wrong === undefined ? 'none' : OF_THE_SPEC.includes(wrong.reason ?? '') ? 'spec' : 'internal';
    return { action: isScaled ? (up ? 'scale_up' : 'scale_down') : 'none', error };
  }

  toStatus(): HorizontalPodAutoscalerStatus {
    const { currentReplicas, desiredReplicas, currentMetrics, lastScaleTime, observedGeneration } = this;
    return {
      currentReplicas,
      desiredReplicas,
      currentMetrics,
      conditions: [...this.conditions],
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
    };
  }
}
