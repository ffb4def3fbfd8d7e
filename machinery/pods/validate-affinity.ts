/**
 * Validation of node and pod affinity. Source: Kubernetes `pkg/apis/core/validation` (affinity), 1.36.
 */
import { invalidError, requiredError, forbiddenError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { validateLabelSelector } from '../meta/label-selector.ts';
import { dns1123Label, qualifiedName } from '../meta/names.ts';
import type { Affinity, NodeAffinity, PodAffinity, PodAffinityTerm } from '../../proto/api/core-v1.ts';
import { checkShape, isBlank } from '../validation/checks.ts';
import { checkNodeSelector, checkNodeSelectorTerm } from '../validation/node-selector.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function checkAffinity(errors: FieldError[], path: FieldPath, affinity: Affinity | undefined): void {
  if (affinity === undefined) return;
  if (affinity.nodeAffinity !== undefined) checkNodeAffinity(errors, path.child('nodeAffinity'), affinity.nodeAffinity);
  if (affinity.podAffinity !== undefined) checkPodAffinity(errors, path.child('podAffinity'), affinity.podAffinity);
  if (affinity.podAntiAffinity !== undefined) {
    checkPodAffinity(errors, path.child('podAntiAffinity'), affinity.podAntiAffinity);
  }
}

function checkNodeAffinity(errors: FieldError[], path: FieldPath, affinity: NodeAffinity): void {
  const required = affinity[REQUIRED];
  if (required !== undefined) checkNodeSelector(errors, path.child(REQUIRED), required);
  for (const [i, term] of (affinity[PREFERRED] ?? []).entries()) {
    const at = path.child(PREFERRED).index(i);
    checkWeight(errors, at.child('weight'), term.weight);
    // A preference for what no node has does no harm: values are not looked at.
    checkNodeSelectorTerm(errors, at.child('preference'), term.preference ?? {}, false);
  }
}

function checkPodAffinity(errors: FieldError[], path: FieldPath, affinity: PodAffinity): void {
  for (const [i, term] of (affinity[REQUIRED] ?? []).entries()) checkTerm(errors, path.child(REQUIRED).index(i), term);
  for (const [i, weighted] of (affinity[PREFERRED] ?? []).entries()) {
    const at = path.child(PREFERRED).index(i);
    checkWeight(errors, at.child('weight'), weighted.weight);
    checkTerm(errors, at.child('podAffinityTerm'), weighted.podAffinityTerm ?? {});
  }
}

function checkTerm(errors: FieldError[], path: FieldPath, term: PodAffinityTerm): void {
  errors.push(...validateLabelSelector(term.labelSelector, path.child('labelSelector')));
  errors.push(...validateLabelSelector(term.namespaceSelector, path.child('namespaceSelector')));
  for (const name of term.namespaces ?? []) checkShape(errors, path.child('namespace'), name, dns1123Label);
  checkLabelKeys(errors, path, term);
  if (isBlank(term.topologyKey)) errors.push(requiredError(path.child('topologyKey'), 'can not be empty'));
  checkShape(errors, path.child('topologyKey'), term.topologyKey ?? '', qualifiedName);
}

function checkLabelKeys(errors: FieldError[], path: FieldPath, term: PodAffinityTerm): void {
  for (const list of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[list] ?? [];
    if (keys.length > 0 && term.labelSelector === undefined) {
      errors.push(forbiddenError(path.child(list), 'must not be specified when labelSelector is not set'));
      continue;
    }
    for (const [i, key] of keys.entries()) checkShape(errors, path.child(list).index(i), key, qualifiedName);
  }
  const keys = term.matchLabelKeys ?? [];
  const selected = new Set(Object.keys(term.labelSelector?.matchLabels ?? {}));
  // One requirement of each key is the one that creation makes of it; a second one is its author's.
  for (const { key } of term.labelSelector?.matchExpressions ?? []) {
    const i = keys.indexOf(key);
    if (i >= 0 && selected.has(key))
      errors.push(invalidError(path.index(i), key, 'exists in both matchLabelKeys and labelSelector'));
    selected.add(key);
  }
  for (const [i, key] of keys.entries()) {
    if (term.mismatchLabelKeys?.includes(key) !== true) continue;
    const why = 'exists in both matchLabelKeys and mismatchLabelKeys';
    errors.push(invalidError(path.child('matchLabelKeys').index(i), key, why));
  }
}

function checkWeight(errors: FieldError[], path: FieldPath, weight: number): void {
  if (!(weight >= 1 && weight <= 100)) errors.push(invalidError(path, weight ?? 0, 'must be in the range 1-100'));
}
