/**
 * Writes what `matchLabelKeys` and `mismatchLabelKeys` of a new pod's affinity mean into the label selectors beside them: the scheduler reads
 * the selectors alone. Source: kubernetes `pkg/registry/core/pod/strategy.go`, 1.36.
 */
import type { Pod, PodAffinityTerm } from '../../../../proto/api/core-v1.ts';
import type { LabelSelectorRequirement } from '../../../../proto/api/meta-v1.ts';

export function mergeLabelKeys({ metadata, spec }: Pod): void {
  for (const affinity of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    for (const term of affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [])
      mergeInto(term, metadata.labels ?? {});
    for (const { podAffinityTerm } of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
      mergeInto(podAffinityTerm, metadata.labels ?? {});
  }
}

function mergeInto(term: PodAffinityTerm | undefined, labels: Readonly<Record<string, string>>): void {
  const selector = term?.labelSelector;
  // Validation refuses keys without a selector.
  if (term === undefined || selector === undefined) return;
  const requirements = (keys: readonly string[] | undefined, operator: string): LabelSelectorRequirement[] =>
    (keys ?? []).flatMap(key => {
      const value = labels[key];
      return value === undefined ? [] : [{ key, operator, values: [value] }];
    });
  const added = [...requirements(term.matchLabelKeys, 'In'), ...requirements(term.mismatchLabelKeys, 'NotIn')];
  if (added.length > 0) selector.matchExpressions = [...(selector.matchExpressions ?? []), ...added];
}
