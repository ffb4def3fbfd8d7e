/**
 * Validation of a Job's status.
 *
 * Differs: a job may end without the conditions that announce its end (FailureTarget, SuccessCriteriaMet), as controllers before 1.31 wrote it.
 * Source: Kubernetes `pkg/apis/batch/validation` and `pkg/registry/batch/job`, 1.36.
 */
import { duplicateError, FieldError, invalidError, requiredError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { isConditionTrue } from '../../../../machinery/meta/object.ts';
import type { Job, JobStatus } from '../../../../proto/api/batch-v1.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { commonIndex, countIndexes } from './job-indexes.ts';

const STATUS = FieldPath.of('status');

export function jobStatusErrors(job: Job, older: Job): FieldError[] {
  const errors: FieldError[] = [];
  const status = job.status ?? {};
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    checkNonNegative(errors, STATUS.child(field), status[field]);
  checkUncounted(errors, status);
  checkConditions(errors, status, older.status ?? {});
  checkTimes(errors, job, older.status ?? {});
  checkCounters(errors, job, older.status ?? {});
  checkIndexes(errors, job);
  return errors;
}

const is = (status: JobStatus, type: string): boolean => isConditionTrue(status.conditions, type);
const isFinished = (status: JobStatus): boolean => is(status, 'Complete') || is(status, 'Failed');

function checkUncounted(errors: FieldError[], { uncountedTerminatedPods: pods }: JobStatus): void {
  const seen = new Set<string>();
  for (const list of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (pods?.[list] ?? []).entries()) {
      const at = STATUS.child('uncountedTerminatedPods', list).index(i);
      if (uid === '') errors.push(invalidError(at, uid, 'must not be empty'));
      else if (seen.has(uid)) errors.push(duplicateError(at, uid));
      seen.add(uid);
    }
  }
}

function checkConditions(errors: FieldError[], status: JobStatus, older: JobStatus): void {
  const say = (detail: string): void => {
    errors.push(new FieldError('FieldValueInvalid', STATUS.child('conditions'), undefined, detail));
  };
  if (is(status, 'Complete') && is(status, 'Failed')) say('cannot set Complete=True and Failed=true conditions');
  if (is(status, 'Complete') && is(status, 'FailureTarget'))
    say('cannot set Complete=True and FailureTarget=true conditions');
  if (is(status, 'SuccessCriteriaMet') && is(status, 'Failed'))
    say('cannot set SuccessCriteriaMet=True and Failed=true conditions');
  if (is(status, 'SuccessCriteriaMet') && is(status, 'FailureTarget'))
    say('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (is(older, type) && !is(status, type)) say(`cannot disable the terminal ${type}=True condition`);
  if (is(older, 'SuccessCriteriaMet') && !is(status, 'SuccessCriteriaMet'))
    say('cannot disable the SuccessCriteriaMet=True condition');
}

function checkTimes(errors: FieldError[], { spec, status = {} }: Job, older: JobStatus): void {
  const { startTime: start, completionTime: end } = status;
  const at = STATUS.child('completionTime');
  if (end !== undefined && !is(status, 'Complete'))
    errors.push(invalidError(at, end, 'cannot set completionTime when there is no Complete=True condition'));
  if (end === undefined && is(status, 'Complete'))
    errors.push(requiredError(at, 'completionTime is required for Complete jobs'));
  if (start !== undefined && end !== undefined && Date.parse(end) < Date.parse(start))
    errors.push(invalidError(at, end, 'completionTime cannot be set before startTime'));
  if (end !== undefined && older.completionTime !== undefined && end !== older.completionTime)
    errors.push(invalidError(at, end, 'completionTime cannot be mutated'));
  if (start === undefined && isFinished(status))
    errors.push(requiredError(STATUS.child('startTime'), 'startTime is required for finished job'));
  if (older.startTime !== undefined && older.startTime !== start && spec.suspend !== true)
    errors.push(requiredError(STATUS.child('startTime'), 'startTime cannot be removed for unsuspended job'));
}

function checkCounters(errors: FieldError[], { spec, status = {} }: Job, older: JobStatus): void {
  const { active = 0, ready = 0, terminating = 0, uncountedTerminatedPods: uncounted } = status;
  for (const field of ['failed', 'succeeded'] as const) {
    const count = status[field] ?? 0;
    // Who grows and shrinks may lose indexes that succeeded.
    const isElastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
    if (count < (older[field] ?? 0) && !(isElastic && field === 'succeeded'))
      errors.push(invalidError(STATUS.child(field), count, `cannot decrease the ${field} counter`));
  }
  if (ready > active) errors.push(invalidError(STATUS.child('ready'), ready, 'cannot set more ready pods than active'));
  if (!isFinished(status)) return;
  if (active > 0) errors.push(invalidError(STATUS.child('active'), active, 'active>0 is invalid for finished job'));
  if (terminating > 0)
    errors.push(invalidError(STATUS.child('terminating'), terminating, 'terminating>0 is invalid for finished job'));
  if ((uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length > 0) {
    const why = 'uncountedTerminatedPods needs to be empty for finished job';
    errors.push(invalidError(STATUS.child('uncountedTerminatedPods'), uncounted, why));
  }
}

function checkIndexes(errors: FieldError[], { spec, status = {} }: Job): void {
  const { completedIndexes: done = '', failedIndexes: failed } = status;
  const [doneAt, failedAt] = [STATUS.child('completedIndexes'), STATUS.child('failedIndexes')];
  if (done !== '' && spec.completionMode !== 'Indexed')
    errors.push(invalidError(doneAt, done, 'cannot set non-empty completedIndexes when non-indexed completion mode'));
  if (failed !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(invalidError(failedAt, failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'));
  const { completions } = spec;
  if (completions === undefined) return;
  const counted = countIndexes(done, completions);
  if (typeof counted === 'string')
    errors.push(invalidError(doneAt, done, `error parsing completedIndexes: ${counted}`));
  if (failed === undefined) return;
  const failures = countIndexes(failed, completions);
  if (typeof failures === 'string')
    errors.push(invalidError(failedAt, failed, `error parsing failedIndexes: ${failures}`));
  const both = commonIndex(done, failed, completions);
  if (both !== undefined)
    errors.push(invalidError(failedAt, failed, `failedIndexes and completedIndexes overlap at index: ${both}`));
}
