/**
 * Deletes Jobs `spec.ttlSecondsAfterFinished` seconds after their end, and their pods with them.
 */
import type { Job } from '../../../proto/api/batch-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { findCondition, isDeleting, keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';

export class TtlAfterFinishedController implements Controller, Reconciler {
  readonly name = 'ttl-after-finished-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly jobs: Informer<Job>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.jobs = context.informers.informer(jobs);
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
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }
}

/** When the job is to go; undefined as long as it runs, or if it is to stay. */
function expiryMs(job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec;
  if (ttlSecondsAfterFinished === undefined || isDeleting(job)) return undefined;
  for (const type of ['Complete', 'Failed']) {
    const condition = findCondition(job.status?.conditions, type);
    const endedMs = parseTime(condition?.lastTransitionTime ?? '');
    if (condition?.status === 'True' && endedMs !== undefined) return endedMs + ttlSecondsAfterFinished * 1000;
  }
  return undefined;
}
