/** Rules that classes of volumes share: who provisions, and with what parameters. Source: Kubernetes `pkg/apis/storage/validation`, 1.36. */
import { invalidError, requiredError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import { checkRequired } from '../../../../machinery/validation/checks.ts';

const MAX_COUNT = 512;
const MAX_BYTES = 256 * 1024;

/** The name of a provisioner or driver, at the object's own field `field`. */
export function checkProvisioner(errors: FieldError[], field: string, name: string | undefined): void {
  checkRequired(errors, FieldPath.of(field), name?.toLowerCase(), qualifiedName);
}

export function checkParameters(
  errors: FieldError[],
  parameters: Readonly<Record<string, string>> | undefined,
  mayBeEmpty: boolean,
): void {
  const at = FieldPath.of('parameters');
  const entries = Object.entries(parameters ?? {});
  if (entries.length > MAX_COUNT) {
    errors.push(tooLongError(at, MAX_COUNT));
    return;
  }
  if (entries.some(([key]) => key === '')) errors.push(invalidError(at, '', 'field can not be empty.'));
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > MAX_BYTES) errors.push(tooLongError(at, MAX_BYTES));
  if (!mayBeEmpty && entries.length === 0) errors.push(requiredError(at, 'must contain at least one key/value pair'));
}
