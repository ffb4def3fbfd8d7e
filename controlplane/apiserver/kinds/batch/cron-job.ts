/** CronJobs. Source: Kubernetes `pkg/apis/batch`, `pkg/registry/batch/cronjob` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, maxLengthProblem } from '../../../../machinery/meta/names.ts';
import type { CronJob } from '../../../../proto/api/batch-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageOf } from '../columns/age.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkNonNegative, isBlank } from '../validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns, selectorColumn } from '../workload/workload-columns.ts';
import { cronScheduleProblem } from './cron-schedule.ts';
import { checkJobSpec, defaultJobSpec } from './job.ts';

const SPEC = FieldPath.of('spec');
/** Names of the jobs get a dash and ten digits. */
const MAX_NAME = 52;

export const cronJobStrategy: Strategy<CronJob> = {
  info: kindInfo('batch', 'CronJob'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Schedule', 'When jobs are made.', cron => cron.spec.schedule ?? ''),
    column('Timezone', 'Time zone of the schedule.', cron => cron.spec.timeZone || '<none>'),
    column('Suspend', 'Whether no jobs are made for now.', cron =>
      cron.spec.suspend === undefined ? '<unset>' : cron.spec.suspend ? 'True' : 'False',
    ),
    column('Active', 'Number of jobs that run.', cron => cron.status?.active?.length ?? 0, 'integer'),
    column('Last Schedule', 'Time since a job was made last.', (cron, nowMs) =>
      cron.status?.lastScheduleTime === undefined ? '<none>' : ageOf(cron.status.lastScheduleTime, nowMs),
    ),
    ageColumn,
    ...containerColumns<CronJob>(cron => cron.spec.jobTemplate?.spec?.template),
    selectorColumn<CronJob>(cron => cron.spec.jobTemplate?.spec?.selector),
  ],
  allowUnconditionalUpdate: true,
  validateName: name => [...dns1123Subdomain(name), ...(name.length > MAX_NAME ? [maxLengthProblem(MAX_NAME)] : [])],
  default({ spec }) {
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec !== undefined) defaultJobSpec(spec.jobTemplate.spec);
  },
  prepareForCreate(cron) {
    cron.status = {};
  },
  prepareForUpdate(cron, older) {
    cron.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkSchedule(errors, spec.schedule);
    if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone)) {
      errors.push(invalidError(SPEC.child('timeZone'), spec.timeZone, `unknown time zone ${spec.timeZone}`));
    }
    checkNonNegative(errors, SPEC.child('startingDeadlineSeconds'), spec.startingDeadlineSeconds);
    checkEnum(errors, SPEC.child('concurrencyPolicy'), spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
    checkNonNegative(errors, SPEC.child('successfulJobsHistoryLimit'), spec.successfulJobsHistoryLimit);
    checkNonNegative(errors, SPEC.child('failedJobsHistoryLimit'), spec.failedJobsHistoryLimit);
    const at = SPEC.child('jobTemplate', 'spec');
    if (spec.jobTemplate?.spec === undefined) errors.push(requiredError(at));
    else checkJobSpec(errors, at, spec.jobTemplate.spec);
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
};

function checkSchedule(errors: FieldError[], schedule: string | undefined): void {
  const at = SPEC.child('schedule');
  if (isBlank(schedule)) {
    errors.push(requiredError(at));
    return;
  }
  if (/TZ=/.test(schedule)) {
    errors.push(invalidError(at, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
    return;
  }
  const problem = cronScheduleProblem(schedule);
  if (problem !== undefined) errors.push(invalidError(at, schedule, problem));
}

function isTimeZone(zone: string): boolean {
  if (zone === '' || zone.toLowerCase() === 'local') return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
