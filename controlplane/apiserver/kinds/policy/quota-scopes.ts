/** Which objects a ResourceQuota counts: its scopes, and its scope selector. Source: Kubernetes `pkg/apis/core/validation` (resource quotas), 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../../../../proto/api/core-v1.ts';
import { isStandardQuotaResource } from '../../../../machinery/validation/resource-list.ts';

const POD_COUNTS = ['pods'];
const POD_AMOUNTS = [...POD_COUNTS, 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];
const CLAIM_AMOUNTS = ['persistentvolumeclaims', 'requests.storage'];
/** The resources that a quota with the scope may bound. */
const RESOURCES: Readonly<Record<string, readonly string[]>> = {
  BestEffort: POD_COUNTS,
  CrossNamespacePodAffinity: POD_AMOUNTS,
  NotBestEffort: POD_AMOUNTS,
  NotTerminating: POD_AMOUNTS,
  PriorityClass: POD_AMOUNTS,
  Terminating: POD_AMOUNTS,
  VolumeAttributesClass: CLAIM_AMOUNTS,
};
/** Scopes that pods have or have not: there is no value to look at. */
const WITHOUT_VALUES = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity'];
const OPPOSITES = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

export function checkQuotaScopes(errors: FieldError[], path: FieldPath, spec: ResourceQuotaSpec): void {
  const { scopes = [], scopeSelector } = spec;
  const at = path.child('scopes');
  for (const scope of scopes) {
    if (RESOURCES[scope] === undefined) errors.push(invalidError(at, scopes, 'unsupported scope'));
    checkResources(errors, at, scope, spec, scopes);
  }
  checkOpposites(errors, at, scopes, scopes);
  if (scopeSelector === undefined) return;
  const requirements = scopeSelector.matchExpressions ?? [];
  const selector = path.child('scopeSelector', 'matchExpressions');
  for (const requirement of requirements) {
    const { scopeName } = requirement;
    if (RESOURCES[scopeName] === undefined)
      errors.push(invalidError(selector.child('scopeName'), scopeName, 'unsupported scope'));
    checkResources(errors, selector, scopeName, spec, scopeSelector);
    checkRequirement(errors, selector, requirement);
  }
  checkOpposites(
    errors,
    selector,
    requirements.map(requirement => requirement.scopeName),
    scopes,
  );
}

function checkResources(
  errors: FieldError[],
  path: FieldPath,
  scope: string,
  { hard = {} }: ResourceQuotaSpec,
  shown: unknown,
): void {
  const allowed = RESOURCES[scope];
  if (allowed === undefined) return;
  for (const name of Object.keys(hard)) {
    if (isStandardQuotaResource(name) && !allowed.includes(name))
      errors.push(invalidError(path, shown, 'unsupported scope applied to resource'));
  }
}

function checkRequirement(
  errors: FieldError[],
  path: FieldPath,
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
): void {
  if (WITHOUT_VALUES.includes(scopeName) && operator !== 'Exists') {
    const why =
      "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
    errors.push(invalidError(path.child('operator'), operator, why));
  }
  const at = path.child('values');
  if (operator === 'In' || operator === 'NotIn') {
    const why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
    if (values.length === 0) errors.push(requiredError(at, why));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    const why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
    if (values.length > 0) errors.push(invalidError(at, values, why));
  } else errors.push(invalidError(path.child('operator'), operator, 'not a valid selector operator'));
}

function checkOpposites(errors: FieldError[], path: FieldPath, scopes: readonly string[], shown: unknown): void {
  for (const pair of OPPOSITES)
    if (pair.every(scope => scopes.includes(scope))) errors.push(invalidError(path, shown, 'conflicting scopes'));
}
