/**
 * Taints of devices, tolerations of requests, and the conditions that a device sets before a pod is bound.
 * Source: Kubernetes `pkg/apis/resource/validation`, 1.36.
 */
import { duplicateError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { labelValue, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { DeviceTaint, DeviceToleration } from '../../../../proto/api/resource-v1.ts';
import { checkEnum, checkOptional, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkList } from '../validation/list-rules.ts';

const EFFECTS = ['NoExecute', 'NoSchedule', 'None'];
const MAX_CONDITIONS = 4;

export function checkDeviceTaint(errors: FieldError[], path: FieldPath, taint: DeviceTaint): void {
  checkShape(errors, path.child('key'), taint.key ?? '', qualifiedName);
  checkOptional(errors, path.child('value'), taint.value, labelValue);
  checkEnum(errors, path.child('effect'), taint.effect, EFFECTS);
}

export function checkDeviceTolerations(
  errors: FieldError[],
  path: FieldPath,
  tolerations: readonly DeviceToleration[] | undefined,
): void {
  checkList(errors, path, tolerations, {
    check(_, at, { key, operator, value, effect }) {
      checkOptional(errors, at.child('key'), key, qualifiedName);
      if (operator === 'Exists') {
        if (!isBlank(value)) errors.push(invalidError(at.child('value'), value, 'must be empty for operator `Exists`'));
      } else if (operator === 'Equal') checkShape(errors, at.child('value'), value ?? '', labelValue);
      else checkEnum(errors, at.child('operator'), operator, ['Equal', 'Exists']);
      checkEnum(errors, at.child('effect'), effect, EFFECTS, 'allowed');
    },
  });
}

/** Both lists or none; no condition twice. */
export function checkBindingConditions(
  errors: FieldError[],
  path: FieldPath,
  object: {
    readonly bindingConditions?: readonly string[] | undefined;
    readonly bindingFailureConditions?: readonly string[] | undefined;
  },
): void {
  const { bindingConditions: good = [], bindingFailureConditions: bad = [] } = object;
  for (const field of ['bindingConditions', 'bindingFailureConditions'] as const) {
    checkList(errors, path.child(field), object[field], {
      max: MAX_CONDITIONS,
      check: (_, at, name) => checkShape(errors, at, name, qualifiedName),
    });
  }
  checkRepeated(errors, path.child('bindingConditions'), good);
  checkRepeated(errors, path.child('bindingFailureConditions'), bad);
  for (const [i, name] of bad.entries()) {
    if (!good.includes(name)) continue;
    const at = path.child('bindingFailureConditions').index(i);
    errors.push(invalidError(at, name, 'bindingFailureConditions must not overlap with bindingConditions'));
  }
  if (good.length === 0 && bad.length > 0) {
    const why = 'bindingConditions are required to use bindingFailureConditions';
    errors.push(invalidError(path.child('bindingConditions'), good, why));
  }
  if (bad.length === 0 && good.length > 0) {
    const why = 'bindingFailureConditions are required to use bindingConditions';
    errors.push(invalidError(path.child('bindingFailureConditions'), bad, why));
  }
}

function checkRepeated(errors: FieldError[], path: FieldPath, names: readonly string[]): void {
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) < i) errors.push(duplicateError(path.index(i), name));
  }
}
