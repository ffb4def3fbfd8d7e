/**
 * Runs the pods of Jobs to their end, and counts every one that ended exactly once.
 *
 * Keys: `NAMESPACE/NAME` of a job; `pod NAMESPACE/NAME` of a pod that waits to be counted by a job that is gone.
 */
import type { Job } from '../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { splitKey } from '../../../machinery/meta/object.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { BY_CONTROLLER } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { NewestWritten } from '../runtime/newest-written.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { JobMemory } from './job-memory.ts';
import { JobMetrics } from './job-metrics.ts';
import { OrphanPods } from './orphan-pods.ts';
import { isFinished, newsOf } from './plan/conditions.ts';
import { planJob, type JobPlan } from './plan/job-plan.ts';
import { isTracked } from './plan/job-pod.ts';
import { leavingPods } from './plan/leaving-pods.ts';
import { podForJob, PodNames } from './plan/pod-for-job.ts';
import { PodTracking } from './pod-tracking.ts';

const ORPHAN = 'pod ';
const OWN_NAME = 'kubernetes.io/job-controller';

export class JobController implements Controller, Reconciler {
  readonly name = 'job-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly jobs: Informer<Job>;
  private readonly owned: OwnedPods<Job>;
  private readonly tracking: PodTracking;
  private readonly orphans: OrphanPods;
  private readonly newest: NewestWritten<Job>;
  private readonly memory: JobMemory;
  private readonly metrics: JobMetrics | undefined;

  constructor(context: ControllerContext) {
    const { client, clock, informers } = context;
    this.context = context;
    this.queue = new WorkQueue({ clock });
    this.jobs = informers.informer(jobs);
    this.newest = new NewestWritten(this.jobs);
    this.memory = new JobMemory(this.jobs, clock);
    this.metrics = context.metrics === undefined ? undefined : new JobMetrics(context.metrics);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.jobs, selectorOf });
    const pods = this.owned.informer;
    this.tracking = new PodTracking(client, pods);
    const wake = (key: string): void => this.queue.add(ORPHAN + key);
    this.orphans = new OrphanPods({ client, jobs: this.jobs, pods, tracking: this.tracking, wake });
    this.observe();
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.jobs, this.owned.informer];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 8 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (key.startsWith(ORPHAN)) {
      await this.orphans.release(key.slice(ORPHAN.length), signal);
      return 'awaitChange';
    }
    const { namespace, name } = splitKey(key);
    const listed = this.jobs.lister.get(namespace, name);
    if (listed === undefined || managerOf(listed) !== OWN_NAME) return 'awaitChange';
    if (isFinished(listed)) {
      await this.tracking.release(this.listedPods(listed).filter(isTracked), signal);
      return 'awaitChange';
    }
    const waitMs = this.memory.paceMs(listed);
    if (waitMs > 0) return { afterMs: waitMs };
    const beganMs = this.context.clock.monotonicMs();
    await this.owned.claim(listed, signal);
    // All from here to the plan is of one moment.
    const owned = this.owned.of(listed);
    const job = this.newest.of(listed);
    this.memory.looked(job, owned.length);
    const plan = planJob({
      job,
      pods: [...owned, ...this.leaving(job, owned)],
      released: this.tracking.released,
      backoff: this.memory.backoffOf(job),
      endOf: this.memory.endOf(job),
      monotonicMs: this.context.clock.monotonicMs(),
      nowMs: this.context.clock.now(),
    });
    const action = plan.create.length > 0 ? 'pods_created' : plan.remove.length > 0 ? 'pods_deleted' : 'tracking';
    let hasFailed = true;
    try {
      await this.carryOut(job, plan, signal);
      hasFailed = false;
    } finally {
      this.metrics?.synced(job, hasFailed, action, this.context.clock.monotonicMs() - beganMs);
    }
    return plan.afterMs === undefined ? 'awaitChange' : { afterMs: plan.afterMs };
  }

  private async carryOut(job: Job, plan: JobPlan, signal: AbortSignal): Promise<void> {
    if (plan.isDecided) {
      await this.write(job, plan, plan.status, signal);
      await this.remove(job, plan, signal);
      return this.tracking.release(plan.release, signal);
    }
    let made = 0;
    let failure: { error: unknown } | undefined;
    try {
      await this.remove(job, plan, signal);
      await this.tracking.track(plan.track, signal);
      const names = new PodNames(job, name => this.listed(job, name) !== undefined);
      const drafts = plan.create.map(pod => podForJob(job, pod, names.draw(pod.index)));
      await slowStart(drafts, async pod => {
        await this.owned.control.create(job, pod, signal);
        made++;
      });
    } catch (error) {
      signal.throwIfAborted();
      failure = { error };
    }
    const { status } = plan;
    const failed = failure === undefined ? 0 : 1;
    this.metrics?.podsMade(job, (status.failed ?? 0) > 0, (status.terminating ?? 0) > 0, made, failed);
    await this.write(job, plan, { ...status, active: (status.active ?? 0) + made }, signal);
    await this.tracking.release(plan.release, signal);
    if (failure !== undefined) throw failure.error;
  }

  private async remove(job: Job, plan: JobPlan, signal: AbortSignal): Promise<void> {
    // Let go first: what is deleted before is counted as failed.
    await this.tracking.release(plan.remove, signal);
    await slowStart([...plan.remove, ...plan.delete], pod => this.owned.control.delete(job, pod, signal));
  }

  private async write(job: Job, plan: JobPlan, status: JobPlan['status'], signal: AbortSignal): Promise<void> {
    const before = job.status;
    for (const action of plan.policyActions) this.metrics?.policyMet(action);
    if (before === undefined || !sameStatus(withoutEmptyNotes(before), withoutEmptyNotes(status))) {
      const { client, events } = this.context;
      try {
        this.newest.wrote(await client.of(jobs).updateStatus({ ...job, status }, { signal }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
        return;
      }
      for (const { type, reason, message } of newsOf(job, status))
        events.event(subjectOf(jobs, job), type, reason, message);
      this.metrics?.statusWritten(job, status);
    }
    // Remembered only now: should the write have failed, the next run sees the same pods and counts them again.
    this.memory.keepBackoff(job, plan.backoff);
  }

  private listed({ metadata }: Job, name: string): Pod | undefined {
    return this.owned.informer.lister.get(metadata.namespace, name);
  }

  private listedPods({ metadata }: Job): Pod[] {
    return this.owned.informer.lister.byIndex(BY_CONTROLLER, metadata.uid ?? '');
  }

  private leaving(job: Job, owned: readonly Pod[]): Pod[] {
    const selector = selectorOf(job);
    const listed = this.listedPods(job).filter(pod => selector.matches(pod.metadata.labels));
    return leavingPods(owned, listed, formatTime(this.context.clock.now()));
  }

  private observe(): void {
    const { metrics } = this;
    if (metrics === undefined) return;
    this.owned.informer.addHandler({
      onAdd: pod => metrics.podChanged(undefined, pod),
      onUpdate: (older, pod) => metrics.podChanged(older, pod),
      onDelete: pod => metrics.podChanged(pod, undefined),
    });
    this.jobs.addHandler({
      onAdd: job => {
        if (managerOf(job) !== OWN_NAME) metrics.managedElsewhere(managerOf(job));
      },
    });
  }
}

function managerOf({ spec }: Job): string {
  return spec.managedBy ?? OWN_NAME;
}

function selectorOf(job: Job): LabelSelector {
  return compileLabelSelector(job.spec.selector);
}

/** No notes and empty notes are the same. */
function withoutEmptyNotes(status: JobPlan['status']): object {
  const { uncountedTerminatedPods: notes, ...rest } = status;
  const isEmpty = (notes?.succeeded ?? []).length + (notes?.failed ?? []).length === 0;
  return isEmpty ? rest : status;
}
