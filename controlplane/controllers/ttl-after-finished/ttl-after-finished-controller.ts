/**
 * Deletes Jobs `spec.ttlSecondsAfterFinished` seconds after their end, and their pods with them.
 */
import type { Job } from '../../../proto/api/batch-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Histogram } from '../../../machinery/process/metrics.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { expiryMs } from './plan.ts';

const LATENESS_BUCKETS = Array.from({ length: 14 }, (_, i) => 0.1 * 2 ** i);

export class TtlAfterFinishedController implements Controller, Reconciler {
  readonly name = 'ttl-after-finished-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly jobs: Informer<Job>;
  /** From the end of a job's time until it is told to go. */
  private readonly lateness: Histogram | undefined;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.jobs = context.informers.informer(jobs);
    this.lateness = context.metrics?.histogram(
      'ttl_after_finished_controller_job_deletion_duration_seconds',
      'Time from when a job was to go until it was deleted.',
      [],
      LATENESS_BUCKETS,
    );
    const wake = (job: Job): void => {
      if (expiryMs(job) !== undefined) this.queue.add(keyOf(job));
    };
    this.jobs.addHandler({ onAdd: wake, onUpdate: (_older, job) => wake(job) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.jobs], workers: 2 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const job = this.jobs.lister.get(namespace, name);
    const atMs = job === undefined ? undefined : expiryMs(job);
    if (job === undefined || atMs === undefined) return 'awaitChange';
    const leftMs = atMs - this.context.clock.now();
    if (leftMs > 0) return { afterMs: leftMs };
    const { uid, resourceVersion } = job.metadata;
    try {
      // The revision too: somebody may just have given it more time.
      const preconditions = { uid, resourceVersion };
      const options = { propagationPolicy: 'Foreground', preconditions, signal } as const;
      await this.context.client.of(jobs).delete({ namespace, name }, options);
      this.lateness?.observe(-leftMs / 1000);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }
}
