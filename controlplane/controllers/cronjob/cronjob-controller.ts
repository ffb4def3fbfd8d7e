/**
 * Starts the Jobs of CronJobs on time. Between two starts it sleeps: nothing is polled.
 */
import type { CronJob, Job } from '../../../proto/api/batch-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { cronJobs, jobs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import {
  controllerOf,
  isControlledBy,
  isDeleting,
  keyOf,
  objectKey,
  splitKey,
} from '../../../machinery/meta/object.ts';
import { isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { addOwnerIndexes, BY_CONTROLLER } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { dueStart, jobFor, jobReference, jobsToClean, planCronStatus } from './plan.ts';
import { writeStatus } from '../runtime/write-object.ts';
import { isNamespaceTerminating } from '../runtime/namespace-terminating.ts';

/** Timers are cut short: a clock that was set is noticed within this time. */
const LONGEST_SLEEP_MS = 10 * 60_000;

export class CronJobController implements Controller, Reconciler {
  readonly name = 'cronjob-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly crons: Informer<CronJob>;
  private readonly jobs: Informer<Job>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.crons = context.informers.informer(cronJobs);
    this.jobs = context.informers.informer(jobs);
    addOwnerIndexes(this.jobs);
    this.crons.addHandler({
      onAdd: cron => this.queue.add(keyOf(cron)),
      onUpdate: (_older, cron) => this.queue.add(keyOf(cron)),
    });
    const wake = (job: Job): void => {
      const owner = controllerOf(job);
      if (owner?.kind === 'CronJob') this.queue.add(objectKey(job.metadata.namespace, owner.name));
    };
    this.jobs.addHandler({ onAdd: wake, onUpdate: (_older, job) => wake(job), onDelete: wake });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.crons, this.jobs] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const cron = this.crons.lister.get(namespace, name);
    if (cron === undefined) return 'awaitChange';
    const owned = this.jobs.lister.byIndex(BY_CONTROLLER, cron.metadata.uid ?? '');
    const { status, finished, missing } = planCronStatus(cron, owned);
    for (const { job, outcome } of finished) {
      this.tell(cron, 'Normal', 'SawCompletedJob', `Saw completed job: ${job.metadata.name}, condition: ${outcome}`);
    }
    for (const gone of missing) {
      this.tell(cron, 'Normal', 'MissingJob', `Active job went missing: ${gone}`);
    }
    await Promise.all(jobsToClean(cron, owned).map(job => this.remove(cron, job, signal)));
    const result = await this.start(cron, owned, status, signal);
    await this.writeStatus(cron, status, signal);
    return result;
  }

  /** Starts what is due; notes it in `status`. */
  private async start(
    cron: CronJob,
    owned: readonly Job[],
    status: NonNullable<CronJob['status']>,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const { spec } = cron;
    if (isDeleting(cron) || spec.suspend === true) return 'awaitChange';
    const nowMs = this.context.clock.now();
    let due;
    try {
      due = dueStart(cron, nowMs);
    } catch (error) {
      // A zone that this machine does not know: nothing but another spec helps.
      this.tell(
        cron,
        'Warning',
        'UnknownTimeZone',
        `invalid timeZone: "${spec.timeZone}" - ${(error as Error).message}`,
      );
      return 'awaitChange';
    }
    const { scheduledMs, nextMs, tooManyMissed } = due;
    const result: ReconcileResult =
      nextMs === undefined ? 'awaitChange' : { afterMs: Math.min(nextMs - nowMs, LONGEST_SLEEP_MS) };
    if (tooManyMissed) {
      const hint = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      this.tell(cron, 'Warning', 'TooManyMissedTimes', `too many missed start times. ${hint}`);
    }
    if (scheduledMs === undefined) return result;
    const running = owned.filter(job => (status.active ?? []).some(active => active.uid === job.metadata.uid));
    if (running.length > 0 && spec.concurrencyPolicy === 'Forbid') {
      const why = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      this.tell(cron, 'Normal', 'JobAlreadyActive', why);
      return result;
    }
    if (spec.concurrencyPolicy === 'Replace') {
      for (const job of running) await this.remove(cron, job, signal);
      delete status.active;
    }
    const job = await this.create(cron, scheduledMs, signal);
    if (job === undefined) return result;
    const known = (status.active ?? []).filter(active => active.uid !== job.metadata.uid);
    status.active = [...known, jobReference(job)];
    status.lastScheduleTime = formatTime(scheduledMs);
    return result;
  }

  /** @returns undefined if the namespace is going, or if somebody else's job has the name */
  private async create(cron: CronJob, scheduledMs: number, signal: AbortSignal): Promise<Job | undefined> {
    const client = this.context.client.of(jobs);
    const wanted = jobFor(cron, scheduledMs);
    const { namespace, name = '' } = wanted.metadata;
    try {
      const job = await client.create(wanted, { signal });
      this.tell(cron, 'Normal', 'SuccessfulCreate', `Created job ${name}`);
      return job;
    } catch (error) {
      signal.throwIfAborted();
      if (isAlreadyExists(error)) {
        const there = await client.get({ namespace, name }, signal);
        if (isControlledBy(there, cron)) return there;
        this.tell(cron, 'Warning', 'FailedCreate', `Error creating job: ${name} exists and belongs to somebody else`);
        return undefined;
      }
      if (isNamespaceTerminating(error)) return undefined;
      const why = errorText(error);
      this.tell(cron, 'Warning', 'FailedCreate', `Error creating job: ${why}`);
      throw error;
    }
  }

  private async remove(cron: CronJob, job: Job, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = job.metadata;
    try {
      const options = { propagationPolicy: 'Background', preconditions: { uid }, signal } as const;
      await this.context.client.of(jobs).delete({ namespace, name }, options);
      this.tell(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async writeStatus(cron: CronJob, status: NonNullable<CronJob['status']>, signal: AbortSignal): Promise<void> {
    if (jsonEquals(withoutVersions(cron.status ?? {}), withoutVersions(status))) return;
    await writeStatus(this.context.client, cronJobs, { ...cron, status }, signal);
  }

  private tell(cron: CronJob, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.events.event(subjectOf(cronJobs, cron), type, reason, message);
  }
}

/** A job that changed is still the same job. */
function withoutVersions({ active, ...rest }: NonNullable<CronJob['status']>): object {
  return { ...rest, active: (active ?? []).map(({ resourceVersion: _, ...reference }) => reference) };
}
