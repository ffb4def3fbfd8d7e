/** The name of a CSI or device driver: a DNS subdomain in any case, at most 63 bytes. Source: Kubernetes `pkg/apis/core/validation`, 1.36. */
import { invalidError, requiredError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';

const MAX_LENGTH = 63;

export function checkDriverName(errors: FieldError[], path: FieldPath, name: string | undefined): void {
  if (isBlank(name)) {
    errors.push(requiredError(path));
    // Upstream goes on with the empty name.
    for (const problem of dns1123Subdomain('')) errors.push(invalidError(path, '', problem));
    return;
  }
  if (name.length > MAX_LENGTH) errors.push(tooLongError(path, MAX_LENGTH));
  for (const problem of dns1123Subdomain(name.toLowerCase())) errors.push(invalidError(path, name, problem));
}
