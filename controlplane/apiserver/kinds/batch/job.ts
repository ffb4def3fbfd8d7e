/** Jobs. Source: Kubernetes `pkg/apis/batch`, `pkg/registry/batch/job` and `pkg/printers`, 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Job, JobSpec } from '../../../../proto/api/batch-v1.ts';
import { isConditionTrue } from '../../../../machinery/meta/object.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkPodTemplate, checkSelectsTemplate, defaultPodTemplate } from '../pod/pod-template.ts';
import { checkEnum, checkImmutable, checkNonNegative } from '../validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns, selectorColumn } from '../workload/workload-columns.ts';

const SPEC = FieldPath.of('spec');
const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;
const LABELS = [
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'controller-uid',
  'job-name',
] as const;

export const jobStrategy: Strategy<Job> = {
  info: kindInfo('batch', 'Job'),
  tracksGeneration: true,
  defaultGarbageCollection: 'OrphanDependents',
  columns: [
    nameColumn,
    column('Status', 'How far the job is.', statusOf),
    column('Completions', 'Pods that succeeded, of those wanted.', completionsOf),
    column('Duration', 'Time that the job took or has been running.', (job, nowMs) => {
      const start = Date.parse(job.status?.startTime ?? '');
      if (Number.isNaN(start)) return '';
      const end = Date.parse(job.status?.completionTime ?? '');
      return humanDuration((Number.isNaN(end) ? nowMs : end) - start);
    }),
    ageColumn,
    ...containerColumns<Job>(job => job.spec.template),
    selectorColumn<Job>(job => job.spec.selector),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: job => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
  default(job) {
    defaultJobSpec(job.spec);
  },
  prepareForCreate(job) {
    job.status = {};
    if (job.spec.manualSelector !== true) generateSelector(job);
  },
  prepareForUpdate(job, older) {
    job.status = older.status;
  },
  validate(job) {
    const errors: FieldError[] = [];
    checkJobSpec(errors, SPEC, job.spec);
    checkSelectsTemplate(errors, SPEC, job.spec.selector, job.spec.template, 'job');
    return errors;
  },
  validateUpdate({ spec }, { spec: older, status }) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('selector'), spec.selector, older.selector);
    checkImmutable(errors, SPEC.child('completionMode'), spec.completionMode, older.completionMode);
    if (older.completionMode !== 'Indexed')
      checkImmutable(errors, SPEC.child('completions'), spec.completions, older.completions);
    // Where pods may run can change as long as none has started.
    if (older.suspend !== true || status?.startTime !== undefined) {
      checkImmutable(errors, SPEC.child('template'), spec.template, older.template);
    }
    checkImmutable(errors, SPEC.child('podFailurePolicy'), spec.podFailurePolicy, older.podFailurePolicy);
    checkImmutable(errors, SPEC.child('backoffLimitPerIndex'), spec.backoffLimitPerIndex, older.backoffLimitPerIndex);
    checkImmutable(errors, SPEC.child('managedBy'), spec.managedBy, older.managedBy);
    checkImmutable(errors, SPEC.child('successPolicy'), spec.successPolicy, older.successPolicy);
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
};

/** Also of the template in CronJobs. */
export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) {
    spec.completions = 1;
    spec.parallelism = 1;
  }
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  defaultPodTemplate(spec.template);
}

/** All rules but those on the selector, which templates of jobs do not have. */
export function checkJobSpec(errors: FieldError[], path: FieldPath, spec: JobSpec): void {
  for (const field of COUNTS) checkNonNegative(errors, path.child(field), spec[field]);
  checkEnum(errors, path.child('completionMode'), spec.completionMode, ['Indexed', 'NonIndexed'], 'allowed');
  if (spec.completionMode === 'Indexed' && spec.completions === undefined) {
    errors.push(requiredError(path.child('completions'), 'when completion mode is Indexed'));
  }
  checkEnum(
    errors,
    path.child('podReplacementPolicy'),
    spec.podReplacementPolicy,
    ['Failed', 'TerminatingOrFailed'],
    'allowed',
  );
  if (spec.backoffLimitPerIndex !== undefined && spec.completionMode !== 'Indexed') {
    errors.push(
      invalidError(path.child('backoffLimitPerIndex'), spec.backoffLimitPerIndex, 'requires indexed completion mode'),
    );
  }
  checkPodTemplate(errors, path.child('template'), spec.template);
  const policy = spec.template?.spec?.restartPolicy;
  const at = path.child('template', 'spec', 'restartPolicy');
  if (policy === 'Always') errors.push(requiredError(at, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push(notSupportedError(at, policy ?? '', ['OnFailure', 'Never']));
  else if (spec.podFailurePolicy !== undefined && policy !== 'Never') {
    errors.push(invalidError(at, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  }
}

/** A job's pods carry its uid, so that no two jobs share any. */
function generateSelector(job: Job): void {
  const { uid, name } = job.metadata;
  const template = job.spec.template;
  if (uid === undefined || name === undefined || template === undefined) return;
  const [uidLabel, nameLabel, oldUidLabel, oldNameLabel] = LABELS;
  const metadata = (template.metadata ??= {});
  metadata.labels = {
    ...metadata.labels,
    [uidLabel]: uid,
    [nameLabel]: name,
    [oldUidLabel]: uid,
    [oldNameLabel]: name,
  };
  const selector = (job.spec.selector ??= {});
  selector.matchLabels = { ...selector.matchLabels, [uidLabel]: uid };
}

function statusOf(job: Job): string {
  const conditions = job.status?.conditions;
  if (isConditionTrue(conditions, 'Complete')) return 'Complete';
  if (isConditionTrue(conditions, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (isConditionTrue(conditions, 'Suspended')) return 'Suspended';
  if (isConditionTrue(conditions, 'FailureTarget')) return 'FailureTarget';
  return isConditionTrue(conditions, 'SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completionsOf(job: Job): string {
  const done = job.status?.succeeded ?? 0;
  if (job.spec.completions !== undefined) return `${done}/${job.spec.completions}`;
  const parallelism = job.spec.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}
