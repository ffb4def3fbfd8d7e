/**
 * Makes the size of what a HorizontalPodAutoscaler refers to follow the metrics of its pods.
 *
 * - Looks every 15 seconds at each autoscaler that there is, and at nothing while there is none.
 * - What it remembers (recommendations, changes of size) is lost with it, as upstream's: a new one begins with the size it finds.
 *
 * Source: upstream `pkg/controller/podautoscaler/horizontal.go`.
 */
import type { Scale } from '../../../proto/api/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler } from '../../../proto/api/autoscaling-v2.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { horizontalPodAutoscalers, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { HpaMetrics } from './hpa-metrics.ts';
import { planMetrics } from './plan/metrics-plan.ts';
import { normalize } from './plan/normalize.ts';
import { newHistory, withRecommendation, withScale, type ScalingHistory } from './plan/scaling-history.ts';
import { HpaStatus } from './plan/hpa-status.ts';
import { readPodMetrics } from './pod-metrics.ts';
import { ScaleTarget } from './scale-target.ts';
import { TargetPods } from './target-pods.ts';
import { writeStatus } from '../runtime/write-object.ts';

const PERIOD_MS = 15_000;

/** What the metrics came to. */
interface Decision {
  readonly replicas: number;
  readonly reason: string;
}

export class HorizontalPodAutoscalerController implements Controller, Reconciler {
  readonly name = 'horizontal-pod-autoscaler';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly autoscalers: Informer<HorizontalPodAutoscaler>;
  private readonly pods: Informer<Pod>;
  /** By key of the autoscaler. */
  private readonly histories = new Map<string, ScalingHistory>();
  private readonly targetPods: TargetPods;
  private readonly metrics: HpaMetrics | undefined;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.autoscalers = context.informers.informer(horizontalPodAutoscalers);
    this.pods = context.informers.informer(pods);
    this.targetPods = new TargetPods(this.pods);
    const count = (): number => this.autoscalers.lister.list().length;
    this.metrics = context.metrics === undefined ? undefined : new HpaMetrics(context.metrics, count);
    this.autoscalers.addHandler({
      onAdd: hpa => this.queue.add(keyOf(hpa)),
      onUpdate: (older, hpa) => {
        // Its own writes of the status ask for nothing.
        if (older.metadata.generation !== hpa.metadata.generation) this.queue.add(keyOf(hpa));
      },
      onDelete: hpa => this.queue.add(keyOf(hpa)),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.autoscalers, this.pods] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const hpa = this.autoscalers.lister.get(namespace, name);
    if (hpa === undefined) {
      this.histories.delete(key);
      this.targetPods.forget(key);
      return 'awaitChange';
    }
    if (hpa.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const { clock } = this.context;
    const beganMs = clock.monotonicMs();
    const status = new HpaStatus(hpa, clock.now());
    await this.scale(hpa, status, signal);
    this.metrics?.looked(status.outcome, clock.monotonicMs() - beganMs);
    await this.write(hpa, status, signal);
    return { afterMs: PERIOD_MS };
  }

  private async scale(hpa: HorizontalPodAutoscaler, status: HpaStatus, signal: AbortSignal): Promise<void> {
    const target = await this.readTarget(hpa, status, signal);
    if (target === undefined) return;
    const current = target.scale.spec?.replicas ?? 0;
    status.currentReplicas = current;
    const key = keyOf(hpa);
    const { clock } = this.context;
    if (!this.histories.has(key)) this.histories.set(key, newHistory(current, clock.now()));
    const { minReplicas = 1, maxReplicas } = hpa.spec;
    let decision: Decision | undefined;
    if (current === 0 && minReplicas !== 0) {
      status.set(
        'ScalingActive',
        false,
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      );
      status.desiredReplicas = 0;
      return;
    }
    if (current > maxReplicas) {
      decision = { replicas: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas' };
    } else if (current < minReplicas) {
      decision = { replicas: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas' };
    } else {
      decision = await this.followMetrics(hpa, target.scale, status, signal);
    }
    if (decision === undefined) return;
    status.desiredReplicas = decision.replicas;
    if (decision.replicas !== current) await this.resize(hpa, target, current, decision, status, signal);
  }

  private async readTarget(
    hpa: HorizontalPodAutoscaler,
    status: HpaStatus,
    signal: AbortSignal,
  ): Promise<{ at: ScaleTarget; scale: Scale } | undefined> {
    try {
      const at = new ScaleTarget(this.context.client, hpa.metadata.namespace ?? '', hpa.spec.scaleTargetRef);
      const scale = await at.get(signal);
      const message = "the HPA controller was able to get the target's current scale";
      status.set('AbleToScale', true, 'SucceededGetScale', message);
      return { at, scale };
    } catch (error) {
      signal.throwIfAborted();
      // Without a target it claims no pods.
      this.targetPods.forget(keyOf(hpa));
      const why = (error as Error).message;
      this.event(hpa, 'Warning', 'FailedGetScale', why);
      const message = `the HPA controller was unable to get the target's current scale: ${why}`;
      status.set('AbleToScale', false, 'FailedGetScale', message);
      return undefined;
    }
  }

  private async followMetrics(
    hpa: HorizontalPodAutoscaler,
    scale: Scale,
    status: HpaStatus,
    signal: AbortSignal,
  ): Promise<Decision | undefined> {
    const { namespace = '' } = hpa.metadata;
    const key = keyOf(hpa);
    const selected = this.targetPods.select(key, scale.status?.selector ?? '');
    if (selected.kind === 'refused') {
      this.event(hpa, 'Warning', selected.eventReason, selected.eventMessage);
      status.set('ScalingActive', false, selected.reason, selected.message);
      return undefined;
    }
    const current = scale.spec?.replicas ?? 0;
    const metrics = await readPodMetrics(this.context.client, namespace, selected.selector, signal);
    const nowMs = this.context.clock.now();
    const plan = planMetrics({
      spec: hpa.spec,
      namespace,
      currentReplicas: current,
      pods: selected.pods,
      metrics,
      nowMs,
    });
    status.currentMetrics = plan.statuses;
    for (const [i, replicas] of plan.each.entries())
      this.metrics?.computed(hpa.spec.metrics?.[i]?.type ?? '', replicas, current);
    for (const { reason, message } of plan.failures) this.event(hpa, 'Warning', reason, message);
    const [failure] = plan.failures;
    if (plan.replicas === undefined) {
      if (failure !== undefined) {
        this.tellFailed(hpa, plan.failures.length, failure.whole);
        const message = `the HPA was unable to compute the replica count: ${failure.message}`;
        status.set('ScalingActive', false, failure.reason, message);
      }
      return undefined;
    }
    const found = `the HPA was able to successfully calculate a replica count from ${plan.metricName}`;
    status.set('ScalingActive', true, 'ValidMetricFound', found);
    const history = this.histories.get(key) ?? newHistory(current, nowMs);
    const { replicas, able, limited } = normalize({ spec: hpa.spec, current, desired: plan.replicas, history, nowMs });
    this.histories.set(key, withRecommendation(history, plan.replicas, nowMs));
    status.set('AbleToScale', true, able.reason, able.message);
    status.set('ScalingLimited', limited.isLimited, limited.reason, limited.message);
    const up = plan.replicas > current;
    return { replicas, reason: up ? `${plan.metricName} above target` : 'All metrics below target' };
  }

  private tellFailed(hpa: HorizontalPodAutoscaler, failed: number, first: string): void {
    const all = hpa.spec.metrics?.length ?? 0;
    const message = `invalid metrics (${failed} invalid out of ${all}), first error is: ${first}`;
    this.event(hpa, 'Warning', 'FailedComputeMetricsReplicas', message);
  }

  private async resize(
    hpa: HorizontalPodAutoscaler,
    { at, scale }: { at: ScaleTarget; scale: Scale },
    current: number,
    { replicas, reason }: Decision,
    status: HpaStatus,
    signal: AbortSignal,
  ): Promise<void> {
    const key = keyOf(hpa);
    try {
      await at.resize(scale, replicas, signal);
    } catch (error) {
      signal.throwIfAborted();
      const why = (error as Error).message;
      this.event(hpa, 'Warning', 'FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${why}`);
      const message = `the HPA controller was unable to update the target scale: ${why}`;
      status.set('AbleToScale', false, 'FailedUpdateScale', message);
      status.desiredReplicas = hpa.status?.desiredReplicas ?? 0;
      return;
    }
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    status.set('AbleToScale', true, 'SucceededRescale', message);
    status.markScaled();
    this.event(hpa, 'Normal', 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`);
    const nowMs = this.context.clock.now();
    this.histories.set(key, withScale(this.histories.get(key) ?? newHistory(current, nowMs), current, replicas, nowMs));
  }

  private async write(hpa: HorizontalPodAutoscaler, status: HpaStatus, signal: AbortSignal): Promise<void> {
    const next = status.toStatus();
    if (sameStatus(hpa.status, next)) return;
    await writeStatus(this.context.client, horizontalPodAutoscalers, { ...hpa, status: next }, signal);
  }

  private event(hpa: HorizontalPodAutoscaler, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.events.event(subjectOf(horizontalPodAutoscalers, hpa), type, reason, message);
  }
}
