/** Validation of what a device has to give, and of how much of it one claim may take. Source: Kubernetes `pkg/apis/resource/validation`, 1.36. */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { tryParseQuantity, type Quantity } from '../../../../machinery/meta/quantity.ts';
import type {
  CapacityRequestPolicy,
  CapacityRequestPolicyRange,
  DeviceCapacity,
} from '../../../../proto/api/resource-v1.ts';
import { checkList } from '../validation/list-rules.ts';

const MAX_OPTIONS = 10;

/** @param isShared several claims may have the device at once */
export function checkDeviceCapacity(
  errors: FieldError[],
  path: FieldPath,
  { value, requestPolicy: policy }: DeviceCapacity,
  isShared: boolean,
): void {
  if (policy === undefined) return;
  const at = path.child('requestPolicy');
  if (!isShared) {
    errors.push(forbiddenError(at, 'allowMultipleAllocations must be true'));
    return;
  }
  const capacity = quantity(value);
  if (capacity !== undefined) checkPolicy(errors, at, policy, capacity);
}

function checkPolicy(errors: FieldError[], path: FieldPath, policy: CapacityRequestPolicy, capacity: Quantity): void {
  const { validValues = [], validRange } = policy;
  const usual = quantity(policy.default);
  if (validValues.length > 0 && validRange !== undefined) {
    const why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';
    errors.push(forbiddenError(path, why));
  } else if (validValues.length > 0) {
    if (usual === undefined) errors.push(requiredError(path.child('default'), 'required when validValues is defined'));
    else checkOptions(errors, path.child('validValues'), validValues, usual, capacity);
  } else if (validRange !== undefined) {
    if (usual === undefined) errors.push(requiredError(path.child('default'), 'required when validRange is defined'));
    else checkRange(errors, path.child('validRange'), validRange, usual, capacity);
  }
}

function checkOptions(
  errors: FieldError[],
  path: FieldPath,
  texts: readonly string[],
  usual: Quantity,
  capacity: Quantity,
): void {
  const options = texts.flatMap(text => quantity(text) ?? []);
  for (const [i, option] of options.entries()) {
    const before = options[i - 1];
    if (before !== undefined && before.compare(option) > 0)
      errors.push(invalidError(path.index(i), option.toString(), 'values must be sorted in ascending order'));
  }
  checkList(errors, path, options, {
    max: MAX_OPTIONS,
    key: option => option.toString(),
    check(_, at, option) {
      if (option.compare(capacity) <= 0) return;
      const why = `option is larger than capacity value: ${capacity.toString()}`;
      errors.push(invalidError(at, option.toString(), why));
    },
  });
  if (options.length <= MAX_OPTIONS && options.every(option => option.compare(usual) !== 0))
    errors.push(invalidError(path, usual.toString(), 'default value is not valid according to the requestPolicy'));
}

function checkRange(
  errors: FieldError[],
  path: FieldPath,
  range: CapacityRequestPolicyRange,
  usual: Quantity,
  capacity: Quantity,
): void {
  const [min, max, step] = [quantity(range.min), quantity(range.max), quantity(range.step)];
  if (min === undefined) {
    errors.push(requiredError(path.child('min'), 'required when validRange is defined'));
    return;
  }
  const say = (field: string, value: Quantity, why: string): void => {
    errors.push(invalidError(path.child(field), value.toString(), why));
  };
  if (min.compare(capacity) > 0) say('min', min, `min is larger than capacity value: ${capacity.toString()}`);
  if (usual.compare(min) < 0) say('default', usual, `default is less than min: ${min.toString()}`);
  if (max !== undefined) {
    if (min.compare(max) > 0) say('max', min, `min is larger than max: ${max.toString()}`);
    if (max.compare(capacity) > 0) say('max', max, `max is larger than capacity value: ${capacity.toString()}`);
    if (usual.compare(max) > 0) say('default', usual, `default is more than max: ${max.toString()}`);
  }
  if (step === undefined) return;
  if (step.sign() <= 0) {
    say('step', step, 'must be greater than zero');
    return;
  }
  const first = min.add(step);
  if (first.compare(capacity) > 0)
    say('step', step, `one step ${first.toString()} is larger than capacity value: ${capacity.toString()}`);
  for (const value of max === undefined ? [usual] : [usual, max]) {
    if (value.sub(min).nanos % step.nanos === 0n) continue;
    say('step', value, `value is not a multiple of a given step (${step.toString()}) from (${min.toString()})`);
  }
}

function quantity(text: string | undefined): Quantity | undefined {
  return text === undefined ? undefined : tryParseQuantity(String(text));
}
