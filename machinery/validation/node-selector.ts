/**
 * Node selectors of pods and volumes, and selectors by topology labels.
 * Source: Kubernetes `pkg/apis/core/validation` (node selectors), 1.36.
 */
import { forbiddenError, invalidError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Subdomain, labelValue, qualifiedName } from '../meta/names.ts';
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../../proto/api/core-v1.ts';
import { checkShape } from './checks.ts';

/** A selector must have a term. */
export function checkNodeSelector(errors: FieldError[], path: FieldPath, selector: NodeSelector): void {
  const at = path.child('nodeSelectorTerms');
  const terms = selector.nodeSelectorTerms ?? [];
  if (terms.length === 0) errors.push(requiredError(at, 'must have at least one node selector term'));
  for (const [i, term] of terms.entries()) checkNodeSelectorTerm(errors, at.index(i), term);
}

/** @param checksValues whether values of labels must be such that a node can have them */
export function checkNodeSelectorTerm(
  errors: FieldError[],
  path: FieldPath,
  term: NodeSelectorTerm,
  checksValues = true,
): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries()) {
    checkRequirement(errors, path.child('matchExpressions').index(i), requirement, checksValues);
  }
  for (const [i, requirement] of (term.matchFields ?? []).entries()) {
    checkFieldRequirement(errors, path.child('matchFields').index(i), requirement);
  }
}

function checkRequirement(
  errors: FieldError[],
  path: FieldPath,
  requirement: NodeSelectorRequirement,
  checksValues: boolean,
): void {
  const count = requirement.values?.length ?? 0;
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (count === 0) {
        errors.push(requiredError(path.child('values'), "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (count > 0) {
        const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
        errors.push(forbiddenError(path.child('values'), why));
      }
      break;
    case 'Gt':
    case 'Lt':
      if (count !== 1) {
        const why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
        errors.push(requiredError(path.child('values'), why));
      }
      break;
    default:
      errors.push(invalidError(path.child('operator'), requirement.operator ?? '', 'not a valid selector operator'));
  }
  checkShape(errors, path.child('key'), requirement.key ?? '', qualifiedName);
  if (!checksValues) return;
  for (const [i, value] of (requirement.values ?? []).entries()) {
    checkShape(errors, path.child('values').index(i), value, labelValue);
  }
}

function checkFieldRequirement(errors: FieldError[], path: FieldPath, requirement: NodeSelectorRequirement): void {
  if (requirement.operator === 'In' || requirement.operator === 'NotIn') {
    if (requirement.values?.length !== 1) {
      const why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
      errors.push(requiredError(path.child('values'), why));
    }
  } else errors.push(invalidError(path.child('operator'), requirement.operator ?? '', 'not a valid selector operator'));
  if (requirement.key !== 'metadata.name') {
    errors.push(invalidError(path.child('key'), requirement.key ?? '', 'not a valid field selector key'));
    return;
  }
  for (const [i, value] of (requirement.values ?? []).entries()) {
    checkShape(errors, path.child('values').index(i), value, dns1123Subdomain);
  }
}
