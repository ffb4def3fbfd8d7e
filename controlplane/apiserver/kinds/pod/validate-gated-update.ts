/**
 * A pod with scheduling gates has not been looked at by the scheduler: where it may go can still be narrowed.
 * Source: Kubernetes `pkg/apis/core/validation` (validateNodeSelectorMutation, validateNodeAffinityMutation), 1.36; KEP-3838.
 */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { NodeSelectorTerm, PodSpec } from '../../../../proto/api/core-v1.ts';

const SELECTOR = FieldPath.of('spec', 'nodeSelector');
const TERMS = FieldPath.of(
  'spec',
  'affinity',
  'nodeAffinity',
  'requiredDuringSchedulingIgnoredDuringExecution',
  'nodeSelectorTerms',
);

/** Checks nodeSelector and node affinity of `spec`, and makes them what they were. */
export function keepGatedScheduling(errors: FieldError[], spec: PodSpec, old: PodSpec): void {
  if (!jsonEquals(spec.nodeSelector, old.nodeSelector)) {
    const narrowed = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
    if (!narrowed) {
      const why = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
      errors.push(invalidError(SELECTOR, spec.nodeSelector ?? {}, why));
    }
    if (old.nodeSelector === undefined) delete spec.nodeSelector;
    else spec.nodeSelector = old.nodeSelector;
  }
  if (jsonEquals(spec.affinity?.nodeAffinity, old.affinity?.nodeAffinity)) return;
  checkTerms(errors, termsOf(spec), termsOf(old));
  keepNodeAffinity(spec, old);
}

function termsOf({ affinity }: PodSpec): readonly NodeSelectorTerm[] {
  return affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
}

function checkTerms(errors: FieldError[], now: readonly NodeSelectorTerm[], was: readonly NodeSelectorTerm[]): void {
  if (was.length === 0) return;
  if (was.length !== now.length) {
    const why = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    errors.push(invalidError(TERMS, now, why));
    return;
  }
  for (const [i, term] of was.entries()) {
    const next = now[i] ?? {};
    if (hasOnlyAdditions(next, term)) continue;
    errors.push(invalidError(TERMS.index(i), next, 'only additions are allowed (no mutations or deletions)'));
  }
}

function hasOnlyAdditions(now: NodeSelectorTerm, was: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  // A term that matches nothing would begin to match.
  if (lists.every(list => (was[list] ?? []).length === 0)) return lists.every(list => (now[list] ?? []).length === 0);
  return lists.every(list => jsonEquals((now[list] ?? []).slice(0, (was[list] ?? []).length), was[list] ?? []));
}

function keepNodeAffinity(spec: PodSpec, old: PodSpec): void {
  const { nodeAffinity: _, ...others } = spec.affinity ?? {};
  const before = old.affinity?.nodeAffinity;
  const rest = Object.values(others).some(value => value !== undefined);
  if (before !== undefined) spec.affinity = { ...others, nodeAffinity: before };
  else if (old.affinity === undefined && !rest) delete spec.affinity;
  else spec.affinity = others;
}
