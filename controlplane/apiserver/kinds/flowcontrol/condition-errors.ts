/** Conditions of flow control objects: each has a type, none twice. Source: Kubernetes `pkg/apis/flowcontrol/validation`, 1.36. */
import { duplicateError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';

const CONDITIONS = FieldPath.of('status', 'conditions');

export function conditionErrors(conditions: readonly { readonly type?: string | undefined }[] = []): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap(({ type = '' }, i) => {
    const at = CONDITIONS.index(i).child('type');
    const errors = seen.has(type) ? [duplicateError(at, type)] : [];
    seen.add(type);
    return isBlank(type) ? [...errors, requiredError(at, 'must not be empty')] : errors;
  });
}
