/** What the controller of Jobs counts, under upstream's names (`pkg/controller/job/metrics`). */
import type { Job, JobStatus } from '../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { findCondition, isConditionTrue } from '../../../machinery/meta/object.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { countsByIndex } from './plan/count.ts';
import { IndexRanges } from './plan/index-ranges.ts';
import { isIndexed, isTracked } from './plan/job-pod.ts';

type Action = 'reconciling' | 'tracking' | 'pods_created' | 'pods_deleted';

const SYNC_BUCKETS = Array.from({ length: 15 }, (_, i) => 0.004 * 2 ** i);
const SYNC_LABELS = ['completion_mode', 'result', 'action'];

export class JobMetrics {
  private readonly syncSeconds;
  private readonly syncs;
  private readonly finished;
  private readonly elsewhere;
  private readonly podsFinished;
  private readonly byPolicy;
  private readonly finalizers;
  private readonly indexes;
  private readonly created;

  constructor(registry: MetricsRegistry) {
    const counter = (name: string, help: string, labels: readonly string[]) =>
      registry.counter(`job_controller_${name}`, help, labels);
    this.syncSeconds = registry.histogram(
      'job_controller_job_sync_duration_seconds',
      'Time that a look at a job took.',
      SYNC_LABELS,
      SYNC_BUCKETS,
    );
    this.syncs = counter('job_syncs_total', 'Looks at jobs.', SYNC_LABELS);
    this.finished = counter('jobs_finished_total', 'Jobs that ended.', ['completion_mode', 'result', 'reason']);
    this.elsewhere = counter('jobs_by_external_controller_total', 'Jobs of other controllers.', ['controller_name']);
    this.podsFinished = counter('job_pods_finished_total', 'Pods that ended and were counted.', [
      'completion_mode',
      'result',
    ]);
    this.byPolicy = counter('pod_failures_handled_by_failure_policy_total', 'Failed pods that a rule was met by.', [
      'action',
    ]);
    this.finalizers = counter(
      'terminated_pods_tracking_finalizer_total',
      'Ended pods that got the finalizer, or lost it.',
      ['event'],
    );
    this.indexes = counter('job_finished_indexes_total', 'Indexes that ended.', ['status', 'backoffLimit']);
    this.created = counter('job_pods_creation_total', 'Pods made, and attempts that failed.', ['reason', 'status']);
  }

  synced(job: Job, hasFailed: boolean, action: Action, durationMs: number): void {
    const labels = [modeOf(job), hasFailed ? 'error' : 'success', action];
    this.syncs.inc(labels);
    this.syncSeconds.observe(durationMs / 1000, labels);
  }

  managedElsewhere(controller: string): void {
    this.elsewhere.inc([controller]);
  }

  policyMet(action: string): void {
    this.byPolicy.inc([action]);
  }

  podsMade(job: Job, hasFailures: boolean, isTerminating: boolean, made: number, failed: number): void {
    const isReplacing = hasFailures || (isTerminating && job.spec.podReplacementPolicy !== 'Failed');
    const again = job.spec.podReplacementPolicy === 'Failed' ? 'recreate_failed' : 'recreate_terminating_or_failed';
    const reason = isReplacing ? again : 'new';
    if (made > 0) this.created.inc([reason, 'succeeded'], made);
    if (failed > 0) this.created.inc([reason, 'failed'], failed);
  }

  /** @param pod undefined: it is gone */
  podChanged(older: Pod | undefined, pod: Pod | undefined): void {
    const counts = (each: Pod | undefined): boolean => each !== undefined && isPodTerminal(each) && isTracked(each);
    if (counts(older) === counts(pod)) return;
    this.finalizers.inc([counts(pod) ? 'add' : 'delete']);
  }

  /** @param job as it was */
  statusWritten(job: Job, status: JobStatus): void {
    const mode = modeOf(job);
    const before = job.status ?? {};
    const more = (field: 'succeeded' | 'failed'): number => Math.max(0, (status[field] ?? 0) - (before[field] ?? 0));
    for (const field of ['succeeded', 'failed'] as const)
      if (more(field) > 0) this.podsFinished.inc([mode, field], more(field));
    if (isIndexed(job)) this.indexesEnded(job, before, status);
    for (const [type, result] of [
      ['Complete', 'succeeded'],
      ['Failed', 'failed'],
    ] as const) {
      if (!isConditionTrue(status.conditions, type) || isConditionTrue(before.conditions, type)) continue;
      this.finished.inc([mode, result, findCondition(status.conditions, type)?.reason ?? '']);
    }
  }

  private indexesEnded(job: Job, before: JobStatus, status: JobStatus): void {
    const sizeOf = (text: string | undefined): number => IndexRanges.parse(text, job.spec.completions ?? 0).size;
    const limit = countsByIndex(job) ? 'perIndex' : 'global';
    const succeeded = sizeOf(status.completedIndexes) - sizeOf(before.completedIndexes);
    const failed = sizeOf(status.failedIndexes) - sizeOf(before.failedIndexes);
    if (succeeded > 0) this.indexes.inc(['succeeded', limit], succeeded);
    if (failed > 0) this.indexes.inc(['failed', limit], failed);
  }
}

function modeOf(job: Job): string {
  return isIndexed(job) ? 'Indexed' : 'NonIndexed';
}
