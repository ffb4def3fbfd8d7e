/**
 * Validation of requests and limits. Source: Kubernetes `pkg/apis/core/validation` (resource requirements), 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  notFoundError,
  requiredError,
  notSupportedError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label } from '../meta/names.ts';
import { tryParseQuantity, type Quantity } from '../meta/quantity.ts';
import type { ContainerResizePolicy, ResourceClaim, ResourceRequirements } from '../../proto/api/core-v1.ts';
import { checkShape, isBlank } from '../validation/checks.ts';
import {
  checkContainerResourceName,
  checkResourceAmount,
  isHugePages,
  isOvercommitAllowed,
} from '../validation/resource-list.ts';

type NameCheck = (errors: FieldError[], path: FieldPath, name: string) => void;

/** Amounts of resources that containers may ask for. */
export function checkContainerAmounts(errors: FieldError[], path: FieldPath, resources: ResourceRequirements): void {
  checkAmounts(errors, path, resources, checkContainerResourceName);
}

/** A container's resources; `claims` are the names of the pod's resource claims. */
export function checkResources(
  errors: FieldError[],
  path: FieldPath,
  resources: ResourceRequirements | undefined,
  claims: ReadonlySet<string>,
): void {
  if (resources === undefined) return;
  checkContainerAmounts(errors, path, resources);
  const seen = new Set<string>();
  for (const [i, claim] of (resources.claims ?? []).entries())
    checkClaim(errors, path.child('claims').index(i), claim, claims, seen);
}

function checkClaim(
  errors: FieldError[],
  path: FieldPath,
  { name, request }: ResourceClaim,
  claims: ReadonlySet<string>,
  seen: Set<string>,
): void {
  if (isBlank(name)) {
    errors.push(requiredError(path));
    return;
  }
  if (!isBlank(request) && !seen.has(name)) checkShape(errors, path.child('request'), request, dns1123Label);
  const key = isBlank(request) ? name : `${name}/${request}`;
  // The whole claim and a part of it overlap, whichever comes first.
  const overlapped = seen.has(name) ? name : seen.has(key) ? key : undefined;
  if (overlapped !== undefined) errors.push(duplicateError(path, overlapped));
  else if (isBlank(request) && [...seen].some(other => other.startsWith(`${name}/`)))
    errors.push(duplicateError(path, name));
  seen.add(key);
  if (claims.has(name)) return;
  const known = [...claims].sort().join(', ');
  const why = `must be one of the names in pod.spec.resourceClaims${known === '' ? ' which is empty' : `: ${known}`}`;
  errors.push(notFoundError(path, name, why));
}

/** Names, amounts, and that no request exceeds its limit. */
export function checkAmounts(
  errors: FieldError[],
  path: FieldPath,
  resources: ResourceRequirements,
  checkName: NameCheck,
): void {
  const limits = new Map<string, Quantity>();
  const requests = resources.requests ?? {};
  let computing = false;
  let hugePages = false;
  for (const [name, text] of Object.entries(resources.limits ?? {})) {
    const at = path.child('limits').key(name);
    checkName(errors, at, name);
    const amount = checkResourceAmount(errors, at, name, text);
    if (amount !== undefined) limits.set(name, amount);
    if (isHugePages(name)) {
      hugePages = true;
      checkWholePages(errors, at, name, amount);
    }
    if (name === 'cpu' || name === 'memory') computing = true;
  }
  for (const [name, text] of Object.entries(requests)) {
    const at = path.child('requests').key(name);
    checkName(errors, at, name);
    const amount = checkResourceAmount(errors, at, name, text);
    if (amount !== undefined) checkAgainstLimit(errors, path, name, amount, limits.get(name));
    if (isHugePages(name)) {
      hugePages = true;
      checkWholePages(errors, at, name, amount);
    }
    if (name === 'cpu' || name === 'memory') computing = true;
  }
  if (hugePages && !computing) errors.push(forbiddenError(path, 'HugePages require cpu or memory'));
}

function checkWholePages(errors: FieldError[], path: FieldPath, name: string, amount: Quantity | undefined): void {
  const page = tryParseQuantity(name.slice('hugepages-'.length))?.milliValue();
  if (amount === undefined || page === undefined || page <= 0) return;
  const bytes = amount.milliValue();
  if (bytes > 0 && bytes % page === 0) return;
  if (bytes === 0) return;
  errors.push(
    invalidError(path, amount.toString(), `${amount.toString()} is not positive integer multiple of ${name}`),
  );
}

function checkAgainstLimit(
  errors: FieldError[],
  path: FieldPath,
  name: string,
  amount: Quantity,
  limit: Quantity | undefined,
): void {
  if (limit === undefined) {
    if (isOvercommitAllowed(name)) return;
    errors.push(requiredError(path.child('limits'), 'Limit must be set for non overcommitable resources'));
    return;
  }
  const at = path.child('requests');
  if (!isOvercommitAllowed(name) && !amount.equals(limit)) {
    errors.push(invalidError(at, amount.toString(), `must be equal to ${name} limit of ${limit.toString()}`));
  } else if (amount.compare(limit) > 0) {
    errors.push(
      invalidError(at, amount.toString(), `must be less than or equal to ${name} limit of ${limit.toString()}`),
    );
  }
}

/** What a resize of each resource does to the container. */
export function checkResizePolicy(
  errors: FieldError[],
  path: FieldPath,
  policies: readonly ContainerResizePolicy[] | undefined,
  podRestartPolicy: string,
): void {
  const seen = new Set<string>();
  for (const [i, policy] of (policies ?? []).entries()) {
    if (seen.has(policy.resourceName)) errors.push(duplicateError(path.index(i), policy.resourceName));
    seen.add(policy.resourceName);
    if (isBlank(policy.resourceName)) errors.push(requiredError(path));
    else if (policy.resourceName !== 'cpu' && policy.resourceName !== 'memory') {
      errors.push(notSupportedError(path, policy.resourceName, ['cpu', 'memory']));
    }
    if (isBlank(policy.restartPolicy)) errors.push(requiredError(path));
    else if (policy.restartPolicy !== 'NotRequired' && policy.restartPolicy !== 'RestartContainer') {
      errors.push(notSupportedError(path, policy.restartPolicy, ['NotRequired', 'RestartContainer']));
    }
    if (podRestartPolicy === 'Never' && policy.restartPolicy !== 'NotRequired') {
      const why = "must be 'NotRequired' when `restartPolicy` is 'Never'";
      errors.push(invalidError(path, policy.restartPolicy ?? '', why));
    }
  }
}
