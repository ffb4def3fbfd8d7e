/** Validation of what a Job asks for, also inside CronJobs. Source: Kubernetes `pkg/apis/batch/validation`, 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { JobSpec } from '../../../../proto/api/batch-v1.ts';
import { checkPodTemplate } from '../pod/pod-template.ts';
import { checkEnum, checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { checkDomainPrefixedPath } from '../validation/domain-prefixed-path.ts';
import { checkPodFailurePolicy } from './pod-failure-policy.ts';
import { checkSuccessPolicy } from './success-policy.ts';

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;
const MAX_PARALLEL = 100_000;
const MAX_FAILED = 100_000;
/** From here on the index lists would grow too long without tighter bounds. */
const MANY_COMPLETIONS = 100_000;
const FEW = 10_000;
const MAX_MANAGED_BY = 63;

/** All rules but those on the selector, which templates of jobs do not have. */
export function checkJobSpec(errors: FieldError[], path: FieldPath, spec: JobSpec): void {
  for (const field of COUNTS) checkNonNegative(errors, path.child(field), spec[field]);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(requiredError(path.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified'));
  if (spec.managedBy !== undefined) {
    checkDomainPrefixedPath(errors, path.child('managedBy'), spec.managedBy);
    if (spec.managedBy.length > MAX_MANAGED_BY) errors.push(tooLongError(path.child('managedBy'), MAX_MANAGED_BY));
  }
  checkEnum(errors, path.child('completionMode'), spec.completionMode, ['NonIndexed', 'Indexed'], 'allowed');
  if (spec.completionMode === 'Indexed') checkIndexed(errors, path, spec);
  else {
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes', 'successPolicy'] as const) {
      if (spec[field] !== undefined)
        errors.push(invalidError(path.child(field), spec[field], 'requires indexed completion mode'));
    }
  }
  if (spec.podFailurePolicy !== undefined) checkPodFailurePolicy(errors, path.child('podFailurePolicy'), spec);
  const replacements = spec.podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  checkEnum(errors, path.child('podReplacementPolicy'), spec.podReplacementPolicy, replacements, 'allowed');
  checkPodTemplate(errors, path.child('template'), spec.template);
  checkRestartPolicy(errors, path.child('template', 'spec', 'restartPolicy'), spec);
}

function checkRestartPolicy(errors: FieldError[], path: FieldPath, { template, podFailurePolicy }: JobSpec): void {
  const policy = template?.spec?.restartPolicy ?? '';
  if (policy === 'Always' || policy === '') errors.push(requiredError(path, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push(notSupportedError(path, policy, ['OnFailure', 'Never']));
  else if (podFailurePolicy !== undefined && policy !== 'Never')
    errors.push(invalidError(path, policy, 'only "Never" is supported when podFailurePolicy is specified'));
}

function checkIndexed(errors: FieldError[], path: FieldPath, spec: JobSpec): void {
  const { completions, parallelism = 0, maxFailedIndexes: failed } = spec;
  const tooHigh = (field: string, value: number, why: string): void => {
    errors.push(invalidError(path.child(field), value, why));
  };
  if (completions === undefined)
    errors.push(requiredError(path.child('completions'), 'when completion mode is Indexed'));
  if (parallelism > MAX_PARALLEL)
    tooHigh(
      'parallelism',
      parallelism,
      `must be less than or equal to ${MAX_PARALLEL} when completion mode is Indexed`,
    );
  if (completions !== undefined && failed !== undefined && failed > completions)
    tooHigh('maxFailedIndexes', failed, 'must be less than or equal to completions');
  if (failed !== undefined && failed > MAX_FAILED)
    tooHigh('maxFailedIndexes', failed, `must be less than or equal to ${MAX_FAILED}`);
  if ((completions ?? 0) > MANY_COMPLETIONS && spec.backoffLimitPerIndex !== undefined) {
    const why = `must be less than or equal to ${FEW} when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
    if (failed === undefined) {
      const rule = `must be specified when completions is above ${MANY_COMPLETIONS}`;
      errors.push(requiredError(path.child('maxFailedIndexes'), rule));
    }
    if (parallelism > FEW) tooHigh('parallelism', parallelism, why);
    if (failed !== undefined && failed > FEW) tooHigh('maxFailedIndexes', failed, why);
  }
  if (spec.successPolicy !== undefined)
    checkSuccessPolicy(errors, path.child('successPolicy'), spec.successPolicy, completions ?? 0);
}
