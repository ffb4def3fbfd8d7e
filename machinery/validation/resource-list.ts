/**
 * Resource names and amounts, as containers, quotas, limits and nodes have them.
 * Source: Kubernetes `pkg/apis/core/validation` (resources) and `pkg/apis/core/helper`, 1.36.
 */
import { invalidError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { qualifiedName } from '../meta/names.ts';
import { tryParseQuantity, type Quantity } from '../meta/quantity.ts';
import { checkShape } from './checks.ts';

const CONTAINER_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage']);
const INTEGER_RESOURCES = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const STANDARD_RESOURCES = new Set([
  ...CONTAINER_RESOURCES,
  ...INTEGER_RESOURCES,
  'storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
]);
const QUOTA_RESOURCES = new Set([...STANDARD_RESOURCES].filter(name => name !== 'storage'));

/** A resource that Kubernetes itself counts for quotas. */
export function isStandardQuotaResource(name: string): boolean {
  return QUOTA_RESOURCES.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

/** A resource without a domain, or in Kubernetes' own. */
export function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

export function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

/** A device or other resource that somebody else defines: `example.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  if (isNativeResource(name) || name.startsWith('requests.')) return false;
  return qualifiedName(`requests.${name}`).length === 0;
}

/** Whether requests may be lower than limits. */
export function isOvercommitAllowed(name: string): boolean {
  return isNativeResource(name) && !isHugePages(name);
}

/** A resource name that any object may use. */
export function checkResourceName(errors: FieldError[], path: FieldPath, name: string): void {
  const before = errors.length;
  checkShape(errors, path, name, qualifiedName);
  if (errors.length > before || name.includes('/')) return;
  if (STANDARD_RESOURCES.has(name) || isHugePages(name)) return;
  if (name.startsWith('requests.hugepages-')) return;
  errors.push(invalidError(path, name, 'must be a standard resource type or fully qualified'));
}

/** A resource name that a container may request. */
export function checkContainerResourceName(errors: FieldError[], path: FieldPath, name: string): void {
  if (CONTAINER_RESOURCES.has(name)) return;
  checkResourceName(errors, path, name);
  if (!name.includes('/')) {
    if (!isHugePages(name)) errors.push(invalidError(path, name, 'must be a standard resource for containers'));
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.push(invalidError(path, name, "doesn't follow extended resource name standard"));
  }
}

/** A resource name that a quota may bound. */
export function checkQuotaResourceName(errors: FieldError[], path: FieldPath, name: string): void {
  checkResourceName(errors, path, name);
  if (name.includes('/') || name.startsWith('count/')) return;
  if (isStandardQuotaResource(name)) return;
  errors.push(invalidError(path, name, 'must be a standard resource for quota'));
}

/** The amount, or undefined with an error in `errors`. */
export function checkQuantity(errors: FieldError[], path: FieldPath, text: unknown): Quantity | undefined {
  const quantity = tryParseQuantity(String(text));
  if (quantity === undefined) {
    const pattern = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    errors.push(invalidError(path, text, `quantities must match the regular expression ${pattern}`));
  }
  return quantity;
}

/** An amount of `name`: not negative, and whole where parts make no sense. */
export function checkResourceAmount(
  errors: FieldError[],
  path: FieldPath,
  name: string,
  text: unknown,
): Quantity | undefined {
  const quantity = checkQuantity(errors, path, text);
  if (quantity === undefined) return undefined;
  if (quantity.sign() < 0) errors.push(invalidError(path, quantity.toString(), 'must be greater than or equal to 0'));
  const whole = INTEGER_RESOURCES.has(name) || isExtendedResource(name);
  if (whole && quantity.milliValue() % 1000 !== 0)
    errors.push(invalidError(path, quantity.toString(), 'must be an integer'));
  return quantity;
}
