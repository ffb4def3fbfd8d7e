/**
 * CEL selectors and opaque parameters, as classes and claims have them. The syntax of the expressions is not checked: nothing evaluates them yet.
 * Source: Kubernetes `pkg/apis/resource/validation`, 1.36.
 */
import { invalidError, requiredError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import type { DeviceConfiguration, DeviceSelector } from '../../../../proto/api/resource-v1.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';
import { checkList } from '../validation/list-rules.ts';

const MAX_SELECTORS = 32;
const MAX_EXPRESSION_BYTES = 10 * 1024;
const MAX_PARAMETER_BYTES = 10 * 1024;
/** Of a claim or of a class. */
export const MAX_CONFIGURATIONS = 32;

export function checkDeviceSelectors(
  errors: FieldError[],
  path: FieldPath,
  selectors: readonly DeviceSelector[] | undefined,
): void {
  checkList(errors, path, selectors, {
    max: MAX_SELECTORS,
    check(_, at, { cel }) {
      if (cel === undefined) {
        errors.push(requiredError(at.child('cel')));
        return;
      }
      const expression = cel.expression ?? '';
      if (Buffer.byteLength(expression) > MAX_EXPRESSION_BYTES)
        errors.push(tooLongError(at.child('cel', 'expression'), MAX_EXPRESSION_BYTES));
      else if (expression.trim() === '') errors.push(requiredError(at.child('cel', 'expression')));
    },
  });
}

export function checkDeviceConfiguration(errors: FieldError[], path: FieldPath, { opaque }: DeviceConfiguration): void {
  if (opaque === undefined) {
    errors.push(requiredError(path.child('opaque')));
    return;
  }
  checkDriverName(errors, path.child('opaque', 'driver'), opaque.driver);
  checkRawObject(errors, path.child('opaque', 'parameters'), opaque.parameters, MAX_PARAMETER_BYTES);
}

/** A JSON object that somebody else gives meaning to. */
export function checkRawObject(errors: FieldError[], path: FieldPath, value: unknown, maxBytes: number): void {
  if (value === undefined || value === null) errors.push(requiredError(path));
  else if (Buffer.byteLength(JSON.stringify(value)) > maxBytes) errors.push(tooLongError(path, maxBytes));
  else if (!isJsonObject(value)) errors.push(invalidError(path, '<value omitted>', 'must be a valid JSON object'));
}
