/** Names of signers: `example.com/my-signer`. Source: Kubernetes `pkg/apis/core/validation` (ValidateSignerName), 1.36. */
import { invalidError, requiredError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';

const MAX_DOMAIN = 253;
const MAX_PATH = MAX_DOMAIN + 1 + 63;
const LEGACY = 'kubernetes.io/legacy-unknown';

export function checkSignerName(errors: FieldError[], path: FieldPath, name: string | undefined): void {
  if (isBlank(name)) {
    errors.push(requiredError(path));
    return;
  }
  const [domain = '', rest = '', ...more] = name.split('/');
  if (!name.includes('/') || more.length > 0) {
    const why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    errors.push(invalidError(path, name, why));
    return;
  }
  if (domain.length > MAX_DOMAIN) errors.push(tooLongError(path, MAX_DOMAIN));
  checkLabels(errors, path, domain, dns1123Label);
  if (!domain.includes('.'))
    errors.push(invalidError(path, domain, 'should be a domain with at least two segments separated by dots'));
  checkLabels(errors, path, rest, dns1123Subdomain);
  if (rest.length > MAX_PATH) errors.push(tooLongError(path, MAX_PATH));
  if (name === LEGACY)
    errors.push(invalidError(path, name, 'the legacy signerName is not allowed via this API version'));
}

function checkLabels(
  errors: FieldError[],
  path: FieldPath,
  text: string,
  shape: (label: string) => readonly string[],
): void {
  for (const label of text.split('.')) {
    for (const problem of shape(label))
      errors.push(invalidError(path, text, `validating label ${JSON.stringify(label)}: ${problem}`));
  }
}
