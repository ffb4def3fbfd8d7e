/** Conditions of the common form. Source: apimachinery `meta/v1/validation` (ValidateConditions), 1.36. */
import {
  invalidError,
  duplicateError,
  notSupportedError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName, regexProblem } from '../../../../machinery/meta/names.ts';
import type { Condition } from '../../../../proto/api/meta-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const MAX_REASON = 1 << 10;
const MAX_MESSAGE = 32 << 10;
const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';

export function checkConditions(
  errors: FieldError[],
  path: FieldPath,
  conditions: readonly Condition[] | undefined,
): void {
  const types = new Set<string>();
  for (const [i, condition] of (conditions ?? []).entries()) {
    const at = path.index(i);
    const { type, status, observedGeneration = 0, lastTransitionTime, reason, message = '' } = condition;
    checkShape(errors, at.child('type'), type ?? '', qualifiedName);
    if (types.has(type)) errors.push(duplicateError(at.child('type'), type));
    types.add(type);
    if (!['False', 'True', 'Unknown'].includes(status))
      errors.push(notSupportedError(at.child('status'), status ?? '', ['False', 'True', 'Unknown']));
    if (observedGeneration < 0)
      errors.push(
        invalidError(at.child('observedGeneration'), observedGeneration, 'must be greater than or equal to zero'),
      );
    if (isBlank(lastTransitionTime)) errors.push(requiredError(at.child('lastTransitionTime'), 'must be set'));
    if (isBlank(reason)) errors.push(requiredError(at.child('reason'), 'must be set'));
    else {
      if (!new RegExp(`^${REASON}$`).test(reason)) {
        const text =
          "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
        errors.push(
          invalidError(
            at.child('reason'),
            reason,
            regexProblem(text, REASON, 'my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB'),
          ),
        );
      }
      if (reason.length > MAX_REASON) errors.push(tooLongError(at.child('reason'), MAX_REASON));
    }
    if (Buffer.byteLength(message) > MAX_MESSAGE) errors.push(tooLongError(at.child('message'), MAX_MESSAGE));
  }
}
