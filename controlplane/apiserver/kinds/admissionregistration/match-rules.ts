/**
 * Which requests an admission webhook or policy is for: rules by group, version, resource and operation, selectors and conditions.
 * Source: Kubernetes `pkg/apis/admissionregistration/validation`, 1.36.
 */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import type {
  MatchResources,
  NamedRuleWithOperations,
  RuleWithOperations,
} from '../../../../proto/api/admissionregistration-v1.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { checkEnum, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkList } from '../validation/list-rules.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const SCOPES = ['*', 'Cluster', 'Namespaced'];
export const MATCH_POLICIES = ['Equivalent', 'Exact'];

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (match === undefined) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

export function checkMatchResources(errors: FieldError[], path: FieldPath, match: MatchResources | undefined): void {
  if (match === undefined) return;
  checkEnum(errors, path.child('matchPolicy'), match.matchPolicy, MATCH_POLICIES);
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (match[field] === undefined) errors.push(requiredError(path.child(field)));
    else errors.push(...validateLabelSelector(match[field], path.child(field)));
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [i, rule] of (match[field] ?? []).entries()) checkNamedRule(errors, path.child(field).index(i), rule);
}

/** A rule of a webhook or policy, without names of objects. */
export function checkRule(errors: FieldError[], path: FieldPath, rule: RuleWithOperations): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  if (operations.length === 0) errors.push(requiredError(path.child('operations')));
  checkLoneStar(errors, path.child('operations'), operations, 'operations');
  for (const [i, operation] of operations.entries()) {
    if (!OPERATIONS.includes(operation))
      errors.push(notSupportedError(path.child('operations').index(i), operation, OPERATIONS));
  }
  if (apiGroups.length === 0) errors.push(requiredError(path.child('apiGroups')));
  checkLoneStar(errors, path.child('apiGroups'), apiGroups, 'API groups');
  if (apiVersions.length === 0) errors.push(requiredError(path.child('apiVersions')));
  checkLoneStar(errors, path.child('apiVersions'), apiVersions, 'API versions');
  for (const [i, version] of apiVersions.entries())
    if (version === '') errors.push(requiredError(path.child('apiVersions').index(i)));
  checkResources(errors, path.child('resources'), resources);
  checkEnum(errors, path.child('scope'), rule.scope, SCOPES, 'allowed');
}

function checkNamedRule(errors: FieldError[], path: FieldPath, rule: NamedRuleWithOperations): void {
  checkList(errors, path.child('resourceNames'), rule.resourceNames, {
    key: name => name,
    check: (_, at, name) => checkShape(errors, at, name, pathSegmentName),
  });
  checkRule(errors, path, rule);
}

function checkLoneStar(errors: FieldError[], path: FieldPath, values: readonly string[], what: string): void {
  if (values.length > 1 && values.includes('*'))
    errors.push(invalidError(path, values, `if '*' is present, must not specify other ${what}`));
}

/** `pods`, `pods/log`, `pods/*`, with a star for the resource, the subresource or both: nothing may be said twice. */
function checkResources(errors: FieldError[], path: FieldPath, resources: readonly string[]): void {
  if (resources.length === 0) errors.push(requiredError(path));
  const wholeResources = new Set<string>();
  const wholeSubresources = new Set<string>();
  for (const [i, text] of resources.entries()) {
    if (text === '') errors.push(requiredError(path.index(i)));
    const slash = text.indexOf('/');
    if (slash < 0) continue;
    const resource = text.slice(0, slash);
    const subresource = text.slice(slash + 1);
    if (wholeResources.has(resource))
      errors.push(invalidError(path.index(i), text, `if '${resource}/*' is present, must not specify ${text}`));
    if (wholeSubresources.has(subresource))
      errors.push(invalidError(path.index(i), text, `if '*/${subresource}' is present, must not specify ${text}`));
    if (subresource === '*') wholeResources.add(resource);
    if (resource === '*') wholeSubresources.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalidError(path, resources, "if '*/*' is present, must not specify other resources"));
  if (resources.includes('*') && resources.some(text => text !== '' && text !== '*' && !text.includes('/'))) {
    const why = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalidError(path, resources, why));
  }
}
