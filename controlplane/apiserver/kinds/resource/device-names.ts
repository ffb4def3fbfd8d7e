/**
 * What devices, pools, attributes and requests are called. Source: Kubernetes `pkg/apis/resource/validation` and `types.go`, 1.36.
 */
import { invalidError, requiredError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { cIdentifier } from '../../../../machinery/meta/value-shapes.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';

const MAX_POOL_NAME = 253;
const MAX_ID = 32;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** DNS subdomains with slashes between them. */
export function checkPoolName(errors: FieldError[], path: FieldPath, name: string | undefined): void {
  if (isBlank(name)) {
    errors.push(requiredError(path));
    return;
  }
  if (name.length > MAX_POOL_NAME) errors.push(tooLongError(path, MAX_POOL_NAME));
  for (const part of name.split('/')) checkShape(errors, path, part, dns1123Subdomain);
}

/** `name` or `example.com/name`, the name a C identifier. */
export function checkQualifiedDeviceName(errors: FieldError[], path: FieldPath, name: string): void {
  const parts = name.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) {
    errors.push(invalidError(path, name, 'must not contain more than one slash'));
    return;
  }
  if (second === undefined) {
    checkIdentifier(errors, path, first);
    return;
  }
  if (first === '') errors.push(invalidError(path, '', 'the domain must not be empty'));
  else checkDriverName(errors, path, first);
  if (second === '') errors.push(invalidError(path, '', 'the name must not be empty'));
  else checkIdentifier(errors, path, second);
}

/** A qualified name that must have its domain. */
export function checkFullyQualifiedDeviceName(errors: FieldError[], path: FieldPath, name: string): void {
  checkQualifiedDeviceName(errors, path, name);
  if (name.includes('/')) return;
  errors.push(invalidError(path, name, 'a fully qualified name must be a domain and a name separated by a slash'));
}

/** The identity of a share of a device. */
export function checkShareId(errors: FieldError[], path: FieldPath, uid: string | undefined): void {
  if (uid === undefined || UUID.test(uid)) return;
  const form = '`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters';
  errors.push(invalidError(path, uid, `uid must be in RFC 4122 normalized form, ${form}`));
}

function checkIdentifier(errors: FieldError[], path: FieldPath, id: string): void {
  if (id.length > MAX_ID) errors.push(tooLongError(path, MAX_ID));
  checkShape(errors, path, id, cIdentifier);
}
