/**
 * What dry runs found, for the next pod that asks for the same: pods that come in numbers are alike.
 *
 * An outcome holds while the node has not changed and the same pods have room kept there; and only where every Filter that is asked reads nothing
 * but the pod and its node, which the plugins named here do.
 */
import { hostPortsOf } from '../../../machinery/meta/host-ports.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import type { Rejection } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Candidate } from '../plan/preemption-candidates.ts';
import { podRequest } from '../plan/resources.ts';

/** Pods that would have to go, or why their going would not be enough. */
export type DryRunOutcome = Candidate | readonly Rejection[];

const LOCAL = new Set([
  'NodeUnschedulable',
  'NodeName',
  'TaintToleration',
  'NodeAffinity',
  'NodePorts',
  'NodeResourcesFit',
]);
/** Kinds of pods whose outcomes are kept; the one asked for last first. */
const KINDS = 2;

interface Known {
  readonly generation: number;
  readonly nominated: string;
  readonly outcome: DryRunOutcome;
}

/** Outcomes for one kind of pod, by node. */
export class KnownOutcomes {
  private readonly byNode = new Map<string, Known>();

  find(node: NodeInfo, nominated: ReadonlyMap<string, Pod>): DryRunOutcome | undefined {
    const known = this.byNode.get(node.name);
    if (known === undefined || known.generation !== node.generation) return undefined;
    return known.nominated === namesOf(nominated) ? known.outcome : undefined;
  }

  keep(node: NodeInfo, nominated: ReadonlyMap<string, Pod>, outcome: DryRunOutcome): void {
    this.byNode.set(node.name, { generation: node.generation, nominated: namesOf(nominated), outcome });
  }
}

export class DryRunMemory {
  private readonly byKind = new Map<string, KnownOutcomes>();

  /** What is known for pods like this one; undefined where more than the node decides. @param filters plugins that are asked for it */
  of(pod: Pod, filters: readonly string[], budgets: readonly PodDisruptionBudget[]): KnownOutcomes | undefined {
    if (!filters.every(name => LOCAL.has(name))) return undefined;
    const kind = kindOf(pod, filters, budgets);
    const known = this.byKind.get(kind) ?? new KnownOutcomes();
    this.byKind.delete(kind);
    for (const oldest of this.byKind.keys()) {
      if (this.byKind.size < KINDS) break;
      this.byKind.delete(oldest);
    }
    this.byKind.set(kind, known);
    return known;
  }
}

/** Everything that those plugins read of a pod. */
function kindOf(pod: Pod, filters: readonly string[], budgets: readonly PodDisruptionBudget[]): string {
  const { nodeName, nodeSelector, affinity, tolerations } = pod.spec;
  return JSON.stringify([
    filters,
    priorityOf(pod),
    [nodeName, nodeSelector, affinity?.nodeAffinity, tolerations],
    [...podRequest(pod)],
    hostPortsOf(pod),
    budgets.map(({ metadata }) => [metadata.uid, metadata.resourceVersion]),
  ]);
}

function namesOf(nominated: ReadonlyMap<string, Pod>): string {
  return nominated.size === 0 ? '' : [...nominated.keys()].join();
}
