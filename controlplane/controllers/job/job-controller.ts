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
import { jobs, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { compileLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import {
  controllerOf,
  findCondition,
  isConditionTrue,
  isDeleting,
  keyOf,
  splitKey,
} from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { BY_CONTROLLER } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { OwnedPods } from '../runtime/owned-pods.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { isTracked, jobPod, TRACKING_FINALIZER } from './plan/job-pods.ts';
import { isFinished, planJob, type Backoff, type JobPlan } from './plan/job-plan.ts';
import { writeStatus } from '../runtime/write-object.ts';

const ORPHAN = 'pod ';
const OWN_NAME = 'kubernetes.io/job-controller';
const NO_FAILURES: Backoff = { failures: 0, lastFailureMs: 0 };

export class JobController implements Controller, Reconciler {
  readonly name = 'job-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly jobs: Informer<Job>;
  private readonly pods: Informer<Pod>;
  private readonly owned: OwnedPods<Job>;
  /** By uid of the job. */
  private readonly backoffs = new Map<string, Backoff>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.jobs = context.informers.informer(jobs);
    this.owned = new OwnedPods({ context, queue: this.queue, owners: this.jobs, selectorOf });
    this.pods = this.owned.informer;
    const wakeOrphan = (pod: Pod): void => {
      if (isTracked(pod) && this.jobOf(pod) === undefined) this.queue.add(ORPHAN + keyOf(pod));
    };
    this.pods.addHandler({ onAdd: wakeOrphan, onUpdate: (_older, pod) => wakeOrphan(pod) });
    this.jobs.addHandler({
      onDelete: job => {
        const uid = job.metadata.uid ?? '';
        this.backoffs.delete(uid);
        for (const pod of this.pods.lister.byIndex(BY_CONTROLLER, uid)) wakeOrphan(pod);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.jobs, this.pods], workers: 8 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (key.startsWith(ORPHAN)) return this.releaseOrphan(key.slice(ORPHAN.length), signal);
    const { namespace, name } = splitKey(key);
    const job = this.jobs.lister.get(namespace, name);
    if (job === undefined || (job.spec.managedBy ?? OWN_NAME) !== OWN_NAME) return 'awaitChange';
    const { clock } = this.context;
    const objects = await this.owned.claim(job, signal);
    const uid = job.metadata.uid ?? '';
    const backoff = this.backoffs.get(uid) ?? NO_FAILURES;
    const plan = planJob({ job, pods: objects, backoff, nowMs: clock.now() });
    if (!isFinished(job) && !isDeleting(job)) await this.track(objects, plan, signal);
    await this.writeStatus(job, plan, signal);
    // Noted: should this process end here, the next run sees the same pods and does not count them again.
    this.backoffs.set(uid, plan.backoff);
    await Promise.all(plan.release.map(pod => this.release(pod, signal)));
    await this.act(job, plan, signal);
    return plan.afterMs === undefined ? 'awaitChange' : { afterMs: plan.afterMs };
  }

  private async act(job: Job, plan: JobPlan, signal: AbortSignal): Promise<void> {
    await Promise.all(plan.delete.map(pod => this.owned.control.delete(job, pod, signal)));
    await slowStart(plan.create, ({ index, failures }) =>
      this.owned.control.create(job, jobPod(job, index, failures), signal),
    );
  }

  /** Pods that the job has adopted are tracked from then on. */
  private async track(owned: readonly Pod[], plan: JobPlan, signal: AbortSignal): Promise<void> {
    for (const pod of owned) {
      if (isTracked(pod) || !isPodActive(pod) || plan.delete.includes(pod)) continue;
      await this.patch(pod, { finalizers: [TRACKING_FINALIZER] }, signal);
    }
  }

  private release(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.patch(pod, { '$deleteFromPrimitiveList/finalizers': [TRACKING_FINALIZER] }, signal);
  }

  /** That the pod is gone is fine. */
  private async patch(pod: Pod, metadata: object, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = pod.metadata;
    const patch = { metadata: { uid, ...metadata } };
    try {
      await this.context.client.of(pods).patch({ namespace, name }, patch, { type: 'strategic', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async releaseOrphan(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const pod = this.pods.lister.get(namespace, name);
    if (pod === undefined || !isTracked(pod) || this.jobOf(pod) !== undefined) return 'awaitChange';
    const owner = controllerOf(pod);
    try {
      // The informer of jobs may be behind that of pods.
      if (owner?.kind === 'Job') {
        const job = await this.context.client.of(jobs).get({ namespace, name: owner.name }, signal);
        if (job.metadata.uid === owner.uid) return 'awaitChange';
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    await this.release(pod, signal);
    return 'awaitChange';
  }

  private jobOf(pod: Pod): Job | undefined {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'Job') return undefined;
    const job = this.jobs.lister.get(pod.metadata.namespace, owner.name);
    return job?.metadata.uid === owner.uid ? job : undefined;
  }

  private async writeStatus(job: Job, { status }: JobPlan, signal: AbortSignal): Promise<void> {
    if (job.status !== undefined && sameStatus(withoutEmptyNotes(job.status), withoutEmptyNotes(status))) return;
    if (await writeStatus(this.context.client, jobs, { ...job, status }, signal)) this.tell(job, status);
  }

  private tell(job: Job, status: JobPlan['status']): void {
    const before = job.status?.conditions;
    const isNew = (type: string): boolean => isConditionTrue(status.conditions, type) && !isConditionTrue(before, type);
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      this.context.events.event(subjectOf(jobs, job), type, reason, message);
    if (isNew('Complete')) tell('Normal', 'Completed', 'Job completed');
    if (isNew('Suspended')) tell('Normal', 'Suspended', 'Job suspended');
    if (isConditionTrue(before, 'Suspended') && !isConditionTrue(status.conditions, 'Suspended')) {
      tell('Normal', 'Resumed', 'Job resumed');
    }
    const failed = findCondition(status.conditions, 'Failed');
    if (isNew('Failed')) tell('Warning', failed?.reason ?? '', failed?.message ?? '');
  }
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
