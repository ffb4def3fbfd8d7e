/** What PodDisruptionBudgets say of pods that would have to go. Pure. Source: upstream's `filterPodsWithPDBViolation` (DefaultPreemption, 1.36). */
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';

/** Budgets by namespace, their selectors compiled. */
export class DisruptionBudgets {
  private readonly byNamespace = new Map<string, CompiledBudget[]>();
  private readonly size: number;

  constructor(budgets: readonly PodDisruptionBudget[]) {
    this.size = budgets.length;
    for (const budget of budgets) {
      const selector = compileLabelSelector(budget.spec.selector);
      // One without a selector protects nothing.
      if (selector.isEmpty) continue;
      const { namespace = '' } = budget.metadata;
      const there = this.byNamespace.get(namespace) ?? [];
      there.push({ selector, status: budget.status });
      this.byNamespace.set(namespace, there);
    }
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Which of them could not go, in that order, without a budget being overdrawn. The order of both lists is that of `pods`. */
  split(pods: readonly Pod[]): { readonly violating: readonly Pod[]; readonly others: readonly Pod[] } {
    if (this.byNamespace.size === 0) return { violating: [], others: pods };
    const used = new Map<CompiledBudget, number>();
    const violating: Pod[] = [];
    const others: Pod[] = [];
    for (const pod of pods) (this.violates(pod, used) ? violating : others).push(pod);
    return { violating, others };
  }

  private violates({ metadata }: Pod, used: Map<CompiledBudget, number>): boolean {
    const { namespace = '', name = '', labels } = metadata;
    if (labels === undefined) return false;
    let violates = false;
    for (const budget of this.byNamespace.get(namespace) ?? []) {
      // Its going was granted already.
      if (budget.status?.disruptedPods?.[name] !== undefined || !budget.selector.matches(labels)) continue;
      const users = (used.get(budget) ?? 0) + 1;
      used.set(budget, users);
      violates ||= users > (budget.status?.disruptionsAllowed ?? 0);
    }
    return violates;
  }
}

interface CompiledBudget {
  readonly selector: ReturnType<typeof compileLabelSelector>;
  readonly status: PodDisruptionBudget['status'];
}
