/** A domain and a path, `example.com/path`; each half is told of by itself. Source: apimachinery `util/validation` (IsDomainPrefixedPath), 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, regexProblem } from '../../../../machinery/meta/names.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

export function checkDomainPrefixedPath(errors: FieldError[], path: FieldPath, value: string | undefined): void {
  if (isBlank(value)) {
    errors.push(requiredError(path));
    return;
  }
  const slash = value.indexOf('/');
  const rest = value.slice(slash + 1);
  if (slash <= 0 || rest === '') {
    errors.push(invalidError(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'));
    return;
  }
  checkShape(errors, path, value.slice(0, slash), dns1123Subdomain);
  if (!new RegExp(`^${PATH}$`).test(rest)) errors.push(invalidError(path, rest, regexProblem('Invalid path', PATH)));
}
