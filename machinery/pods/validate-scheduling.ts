/**
 * Validation of tolerations, topology spread constraints and scheduling gates.
 * Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  forbiddenError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { validateLabelSelector } from '../meta/label-selector.ts';
import { labelValue, qualifiedName } from '../meta/names.ts';
import type { PodSpec, Toleration, TopologySpreadConstraint } from '../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../validation/checks.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const UNSATISFIABLE = ['DoNotSchedule', 'ScheduleAnyway'];
const INCLUSION = ['Honor', 'Ignore'];

export function checkTolerations(
  errors: FieldError[],
  path: FieldPath,
  tolerations: readonly Toleration[] | undefined,
): void {
  for (const [i, toleration] of (tolerations ?? []).entries()) {
    const at = path.index(i);
    if (!isBlank(toleration.key)) checkShape(errors, at.child('key'), toleration.key, qualifiedName);
    const operator = toleration.operator ?? '';
    if (isBlank(toleration.key) && operator !== 'Exists') {
      const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.push(invalidError(at.child('operator'), operator, why));
    }
    if (toleration.tolerationSeconds !== undefined && toleration.effect !== 'NoExecute') {
      const why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
      errors.push(invalidError(at.child('effect'), toleration.effect ?? '', why));
    }
    checkOperator(errors, at, operator, toleration.value ?? '');
    checkEnum(errors, at.child('effect'), toleration.effect, EFFECTS, 'allowed');
  }
}

function checkOperator(errors: FieldError[], path: FieldPath, operator: string, value: string): void {
  const at = path.child('operator');
  switch (operator) {
    case '':
    case 'Equal': {
      const problems = labelValue(value);
      if (problems.length > 0) errors.push(invalidError(at, value, problems.join(';')));
      return;
    }
    case 'Exists':
      if (value !== '') errors.push(invalidError(at, value, "value must be empty when `operator` is 'Exists'"));
      return;
    case 'Lt':
    case 'Gt':
      if (!/^-?(0|[1-9][0-9]*)$/.test(value))
        errors.push(invalidError(path.child('value'), value, 'must be a valid integer'));
      return;
    default:
      errors.push(notSupportedError(at, operator, ['Equal', 'Exists', 'Lt', 'Gt']));
  }
}

export function checkTopologySpread(
  errors: FieldError[],
  path: FieldPath,
  constraints: readonly TopologySpreadConstraint[] | undefined,
): void {
  const all = constraints ?? [];
  for (const [i, constraint] of all.entries()) {
    const at = path.index(i);
    if ((constraint.maxSkew ?? 0) <= 0) {
      errors.push(invalidError(at.child('maxSkew'), constraint.maxSkew ?? 0, 'must be greater than zero'));
    }
    if (isBlank(constraint.topologyKey)) errors.push(requiredError(at.child('topologyKey'), 'can not be empty'));
    checkEnum(errors, at.child('whenUnsatisfiable'), constraint.whenUnsatisfiable, UNSATISFIABLE, 'unsupported');
    const pair = pairOf(constraint);
    // The first of the two is told.
    if (all.slice(i + 1).some(other => pairOf(other) === pair))
      errors.push(duplicateError(at.child('{topologyKey, whenUnsatisfiable}'), pair));
    checkMinDomains(errors, at, constraint);
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const)
      if (constraint[field] !== undefined)
        checkEnum(errors, at.child(field), constraint[field], INCLUSION, 'unsupported');
    checkSpreadKeys(errors, at.child('matchLabelKeys'), constraint);
    errors.push(...validateLabelSelector(constraint.labelSelector, at.child('labelSelector')));
  }
}

function pairOf({ topologyKey, whenUnsatisfiable }: TopologySpreadConstraint): string {
  return `{${topologyKey ?? ''}, ${whenUnsatisfiable ?? ''}}`;
}

function checkSpreadKeys(errors: FieldError[], path: FieldPath, constraint: TopologySpreadConstraint): void {
  const keys = constraint.matchLabelKeys ?? [];
  if (keys.length === 0) return;
  const selector = constraint.labelSelector;
  if (selector === undefined) errors.push(forbiddenError(path, 'must not be specified when labelSelector is not set'));
  const counts = new Map<string, number>();
  const selected = [...Object.keys(selector?.matchLabels ?? {}), ...(selector?.matchExpressions ?? []).map(e => e.key)];
  for (const key of selected) counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const [i, key] of keys.entries()) {
    checkShape(errors, path.index(i), key, qualifiedName);
    if (counts.has(key))
      errors.push(invalidError(path.index(i), key, 'exists in both matchLabelKeys and labelSelector'));
  }
}

function checkMinDomains(errors: FieldError[], path: FieldPath, constraint: TopologySpreadConstraint): void {
  const { minDomains, whenUnsatisfiable } = constraint;
  if (minDomains === undefined) return;
  const at = path.child('minDomains');
  if (minDomains <= 0) errors.push(invalidError(at, minDomains, 'must be greater than zero'));
  if (whenUnsatisfiable !== 'DoNotSchedule') {
    const why = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable ?? ''}`;
    errors.push(invalidError(at, minDomains, why));
  }
}

export function checkSchedulingGates(errors: FieldError[], path: FieldPath, gates: PodSpec['schedulingGates']): void {
  const seen = new Set<string>();
  for (const [i, { name }] of (gates ?? []).entries()) {
    checkShape(errors, path.index(i), name ?? '', qualifiedName);
    if (seen.has(name)) errors.push(duplicateError(path.index(i), name));
    seen.add(name);
  }
}
