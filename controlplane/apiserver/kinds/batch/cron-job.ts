/** CronJobs. Source: Kubernetes `pkg/apis/batch`, `pkg/registry/batch/cronjob` and `pkg/printers`, 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { CronJob, CronJobSpec, JobSpec } from '../../../../proto/api/batch-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageOf } from '../columns/age.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkNonNegative, isBlank } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns, selectorColumn } from '../workload/workload-columns.ts';
import { cronScheduleProblem } from '../../../../machinery/meta/cron-schedule.ts';
import { checkJobSpec } from './job-spec.ts';
import { defaultJobTemplate, nameWarnings } from './job.ts';
import { timeZoneProblem } from '../../../../machinery/meta/time-zone.ts';

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
    column(
      'Suspend',
      'Whether no jobs are made for now.',
      cron => (cron.spec.suspend === undefined ? '<unset>' : cron.spec.suspend ? 'True' : 'False'),
      'boolean',
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
  default({ spec }) {
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec !== undefined) defaultJobTemplate(spec.jobTemplate.spec);
  },
  prepareForCreate(cron) {
    cron.status = {};
  },
  prepareForUpdate(cron, older) {
    cron.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (isBlank(spec.schedule)) errors.push(requiredError(SPEC.child('schedule')));
    else {
      const problem = cronScheduleProblem(spec.schedule);
      if (problem !== undefined) errors.push(invalidError(SPEC.child('schedule'), spec.schedule, problem));
    }
    checkNonNegative(errors, SPEC.child('startingDeadlineSeconds'), spec.startingDeadlineSeconds);
    checkEnum(errors, SPEC.child('concurrencyPolicy'), spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
    checkJobTemplate(errors, SPEC.child('jobTemplate', 'spec'), spec.jobTemplate?.spec);
    checkNonNegative(errors, SPEC.child('successfulJobsHistoryLimit'), spec.successfulJobsHistoryLimit);
    checkNonNegative(errors, SPEC.child('failedJobsHistoryLimit'), spec.failedJobsHistoryLimit);
    return errors;
  },
  validateCreate({ metadata: { name = '' }, spec }) {
    const errors: FieldError[] = [];
    if (name.length > MAX_NAME)
      errors.push(invalidError('metadata.name', name, `must be no more than ${MAX_NAME} characters`));
    checkZoneInSchedule(errors, spec, false);
    checkTimeZone(errors, spec.timeZone);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    checkZoneInSchedule(errors, spec, older.schedule.includes('TZ'));
    if (spec.timeZone !== older.timeZone) checkTimeZone(errors, spec.timeZone);
    return errors;
  },
  warnings({ metadata: { name = '' }, spec }, older) {
    const warnings = older === undefined ? nameWarnings(name) : [];
    if (spec.schedule?.includes('TZ') === true) {
      const where = 'see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';
      warnings.push(
        `spec.schedule: CRON_TZ or TZ used in ${JSON.stringify(spec.schedule)} is not officially supported, ${where}`,
      );
    }
    return warnings;
  },
  status: { prepareForUpdate: keepSpec },
};

/** @param wasThere the schedule had a zone before: from before they had a field of their own */
function checkZoneInSchedule(errors: FieldError[], { schedule = '', timeZone }: CronJobSpec, wasThere: boolean): void {
  if (!schedule.includes('TZ')) return;
  const at = SPEC.child('schedule');
  if (!wasThere)
    errors.push(invalidError(at, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  else if (timeZone !== undefined)
    errors.push(invalidError(at, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'));
}

function checkTimeZone(errors: FieldError[], zone: string | undefined): void {
  const problem = zone === undefined ? undefined : timeZoneProblem(zone);
  if (problem !== undefined) errors.push(invalidError(SPEC.child('timeZone'), zone, problem));
}

function checkJobTemplate(errors: FieldError[], path: FieldPath, spec: JobSpec | undefined): void {
  checkJobSpec(errors, path, spec ?? ({} as JobSpec));
  if (spec?.selector !== undefined)
    errors.push(invalidError(path.child('selector'), spec.selector, '`selector` will be auto-generated'));
  if (spec?.manualSelector === true)
    errors.push(notSupportedError(path.child('manualSelector'), true, ['nil', 'false']));
}
