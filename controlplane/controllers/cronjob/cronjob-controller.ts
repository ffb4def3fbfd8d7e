/**
 * Starts the Jobs of CronJobs on time. Between two starts it sleeps: nothing is polled.
 *
 * A start is made once: its Job's name follows from its time, what the status says and what the Jobs say that there are both count, and no
 * Job is cleaned away before the status tells of its start.
 */
import type { CronJob, CronJobStatus, Job } from '../../../proto/api/batch-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { cronJobs, jobs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { controllerOf, isDeleting, keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { addOwnerIndexes, BY_CONTROLLER } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { NewestWritten } from '../runtime/newest-written.ts';
import { CronMemory } from './cron-memory.ts';
import { JobsOfCron } from './jobs-of-cron.ts';
import { jobOutcome, jobReference, jobsToClean, planCronStatus, type CronStatusPlan } from './plan/cron-status.ts';
import { dueStart, type Due } from './plan/due-start.ts';

/** Timers are cut short: a clock that was set is noticed within this time. */
const LONGEST_SLEEP_MS = 10 * 60_000;
const FORBIDDEN = 'Not starting job because prior execution is running and concurrency policy is Forbid';
const TOO_MANY = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
const DOCS = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/';

type Tell = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

export class CronJobController implements Controller, Reconciler {
  readonly name = 'cronjob-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly crons: Informer<CronJob>;
  private readonly jobs: Informer<Job>;
  private readonly newest: NewestWritten<CronJob>;
  private readonly memory: CronMemory;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.crons = context.informers.informer(cronJobs);
    this.jobs = context.informers.informer(jobs);
    this.newest = new NewestWritten(this.crons);
    this.memory = new CronMemory(this.crons, context.clock);
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
    const listed = this.crons.lister.get(namespace, name);
    if (listed === undefined) return 'awaitChange';
    const cron = this.newest.of(listed);
    const { client, events } = this.context;
    const tell: Tell = (type, reason, message) => events.event(subjectOf(cronJobs, cron), type, reason, message);
    const children = new JobsOfCron(client, cron, tell, signal);
    const owned = await children.complete(this.jobs.lister.byIndex(BY_CONTROLLER, cron.metadata.uid ?? ''));
    const plan = planCronStatus(cron, owned, this.context.clock.now());
    tellOf(plan, tell);
    const { status } = plan;
    const due = isDeleting(cron) || cron.spec.suspend === true ? undefined : this.dueOf(cron, status, tell);
    if (due !== undefined) await this.start(cron, due, { status, owned, children, tell });
    await this.writeStatus(cron, status, signal);
    for (const job of jobsToClean(cron, owned)) await children.remove(job);
    if (due?.nextMs === undefined) return 'awaitChange';
    return { afterMs: Math.min(Math.max(0, due.nextMs - this.context.clock.now()), LONGEST_SLEEP_MS) };
  }

  private dueOf(cron: CronJob, status: CronJobStatus, tell: Tell): Due | undefined {
    const { schedule, timeZone } = cron.spec;
    if (schedule.includes('TZ'))
      tell(
        'Warning',
        'UnsupportedSchedule',
        `CRON_TZ or TZ used in schedule ${JSON.stringify(schedule)} is not officially supported, see ${DOCS} for more details`,
      );
    try {
      const due = dueStart({ ...cron, status }, this.memory.sinceMs(cron), this.context.clock.now());
      if (due.tooManyMissed) tell('Warning', 'TooManyMissedTimes', TOO_MANY);
      if (due.missedMs !== undefined && this.memory.isNewMiss(cron, due.missedMs))
        tell(
          'Warning',
          'MissSchedule',
          `Missed scheduled time to start a job: ${new Date(due.missedMs).toUTCString()}`,
        );
      return due;
    } catch (error) {
      // A zone that this machine does not know: nothing but another spec helps.
      tell('Warning', 'UnknownTimeZone', `invalid timeZone: ${JSON.stringify(timeZone)} - ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Starts what is due; notes it in `status`. */
  private async start(
    cron: CronJob,
    { scheduledMs }: Due,
    round: { status: CronJobStatus; owned: readonly Job[]; children: JobsOfCron; tell: Tell },
  ): Promise<void> {
    const { status, owned, children, tell } = round;
    if (scheduledMs === undefined) return;
    const active = status.active ?? [];
    if (active.length > 0 && cron.spec.concurrencyPolicy === 'Forbid')
      return tell('Normal', 'JobAlreadyActive', FORBIDDEN);
    if (cron.spec.concurrencyPolicy === 'Replace') {
      const uids = new Set(active.map(({ uid }) => uid));
      for (const job of owned.filter(({ metadata }) => uids.has(metadata.uid))) await children.remove(job);
      delete status.active;
    }
    const job = await children.create(scheduledMs);
    if (job === undefined) return;
    this.memory.started(cron, scheduledMs);
    status.lastScheduleTime = formatTime(scheduledMs);
    if (jobOutcome(job) !== undefined || isDeleting(job)) return;
    const others = (status.active ?? []).filter(({ uid }) => uid !== job.metadata.uid);
    status.active = [...others, jobReference(job)];
  }

  private async writeStatus(cron: CronJob, status: CronJobStatus, signal: AbortSignal): Promise<void> {
    if (jsonEquals(withoutVersions(cron.status ?? {}), withoutVersions(status))) return;
    try {
      this.newest.wrote(await this.context.client.of(cronJobs).updateStatus({ ...cron, status }, { signal }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function tellOf({ finished, missing, unexpected }: CronStatusPlan, tell: Tell): void {
  for (const { job, outcome } of finished)
    tell('Normal', 'SawCompletedJob', `Saw completed job: ${job.metadata.name}, condition: ${outcome}`);
  for (const gone of missing) tell('Normal', 'MissingJob', `Active job went missing: ${gone}`);
  for (const { metadata } of unexpected)
    tell('Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${metadata.name}`);
}

/** A job that changed is still the same job. */
function withoutVersions({ active, ...rest }: CronJobStatus): object {
  return { ...rest, active: (active ?? []).map(({ resourceVersion: _, ...reference }) => reference) };
}
