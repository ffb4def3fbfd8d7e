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
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Quantity } from '../../../../machinery/meta/quantity.ts';
import type { ContainerResizePolicy, ResourceRequirements } from '../../../../proto/api/core-v1.ts';
import { isBlank } from '../validation/checks.ts';
import {
  checkContainerResourceName,
  checkResourceAmount,
  isHugePages,
  isOvercommitAllowed,
} from '../validation/resource-list.ts';

/** A container's resources; `claims` are the names of the pod's resource claims. */
export function checkResources(
  errors: FieldError[],
  path: FieldPath,
  resources: ResourceRequirements | undefined,
  claims: ReadonlySet<string>,
): void {
  if (resources === undefined) return;
  checkLimitsAndRequests(errors, path, resources);
  const seen = new Set<string>();
  for (const [i, claim] of (resources.claims ?? []).entries()) {
    const at = path.child('claims').index(i);
    if (isBlank(claim.name)) {
      errors.push(requiredError(at.child('name')));
      continue;
    }
    if (!claims.has(claim.name)) errors.push(notFoundError(at.child('name'), claim.name));
    const key = isBlank(claim.request) ? claim.name : `${claim.name}/${claim.request}`;
    if (seen.has(key)) errors.push(duplicateError(at, key));
    seen.add(key);
  }
}

/** Names, amounts, and that no request exceeds its limit. */
export function checkLimitsAndRequests(errors: FieldError[], path: FieldPath, resources: ResourceRequirements): void {
  const limits = new Map<string, Quantity>();
  const requests = resources.requests ?? {};
  let computing = false;
  let hugePages = false;
  for (const [name, text] of Object.entries(resources.limits ?? {})) {
    const at = path.child('limits').key(name);
    checkContainerResourceName(errors, at, name);
    const amount = checkResourceAmount(errors, at, name, text);
    if (amount !== undefined) limits.set(name, amount);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computing = true;
  }
  for (const [name, text] of Object.entries(requests)) {
    const at = path.child('requests').key(name);
    checkContainerResourceName(errors, at, name);
    const amount = checkResourceAmount(errors, at, name, text);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computing = true;
    if (amount !== undefined) checkAgainstLimit(errors, path, name, amount, limits.get(name));
  }
  if (hugePages && !computing) errors.push(forbiddenError(path, 'HugePages require cpu or memory'));
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
): void {
  const seen = new Set<string>();
  for (const policy of policies ?? []) {
    if (seen.has(policy.resourceName)) errors.push(duplicateError(path, policy.resourceName));
    seen.add(policy.resourceName);
    if (isBlank(policy.resourceName)) errors.push(requiredError(path));
    else if (policy.resourceName !== 'cpu' && policy.resourceName !== 'memory') {
      errors.push(notSupportedError(path, policy.resourceName, ['cpu', 'memory']));
    }
    if (isBlank(policy.restartPolicy)) errors.push(requiredError(path));
    else if (policy.restartPolicy !== 'NotRequired' && policy.restartPolicy !== 'RestartContainer') {
      errors.push(notSupportedError(path, policy.restartPolicy, ['NotRequired', 'RestartContainer']));
    }
  }
}
