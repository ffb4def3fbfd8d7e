/** Roles and ClusterRoles. Source: Kubernetes `pkg/apis/rbac/validation`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import type { ClusterRole, PolicyRule, Role } from '../../../../proto/api/rbac-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { createdAtColumn, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { pathSegmentName } from './path-segment-name.ts';

const RULES = FieldPath.of('rules');

export const roleStrategy: Strategy<Role> = {
  info: kindInfo('rbac.authorization.k8s.io', 'Role'),
  tracksGeneration: false,
  columns: [nameColumn, createdAtColumn],
  allowUnconditionalUpdate: true,
  allowCreateOnUpdate: true,
  validateName: pathSegmentName,
  validate: role => checkRules(role.rules, true),
};

export const clusterRoleStrategy: Strategy<ClusterRole> = {
  info: kindInfo('rbac.authorization.k8s.io', 'ClusterRole'),
  tracksGeneration: false,
  columns: [nameColumn, createdAtColumn],
  allowUnconditionalUpdate: true,
  allowCreateOnUpdate: true,
  validateName: pathSegmentName,
  validate(role) {
    const errors = checkRules(role.rules, false);
    if (role.aggregationRule === undefined) return errors;
    const at = FieldPath.of('aggregationRule', 'clusterRoleSelectors');
    const selectors = role.aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0)
      errors.push(requiredError(at, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
    for (const [i, selector] of selectors.entries()) {
      const problems = validateLabelSelector(selector, at.index(i));
      errors.push(...problems);
      if (problems.length > 0) errors.push(invalidError(at.index(i), undefined, 'invalid label selector.'));
    }
    return errors;
  },
};

function checkRules(rules: readonly PolicyRule[] | undefined, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, rule] of (rules ?? []).entries()) checkRule(errors, RULES.index(i), rule, namespaced);
  return errors;
}

function checkRule(errors: FieldError[], path: FieldPath, rule: PolicyRule, namespaced: boolean): void {
  if ((rule.verbs ?? []).length === 0)
    errors.push(requiredError(path.child('verbs'), 'verbs must contain at least one value'));
  const urls = rule.nonResourceURLs ?? [];
  if (urls.length > 0) {
    const at = path.child('nonResourceURLs');
    if (namespaced) errors.push(invalidError(at, urls, 'namespaced rules cannot apply to non-resource URLs'));
    const more = [rule.apiGroups, rule.resources, rule.resourceNames].some(list => (list ?? []).length > 0);
    if (more) errors.push(invalidError(at, urls, 'rules cannot apply to both regular resources and non-resource URLs'));
    return;
  }
  if ((rule.apiGroups ?? []).length === 0) {
    errors.push(requiredError(path.child('apiGroups'), 'resource rules must supply at least one api group'));
  }
  if ((rule.resources ?? []).length === 0) {
    errors.push(requiredError(path.child('resources'), 'resource rules must supply at least one resource'));
  }
}
