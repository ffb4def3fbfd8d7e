/**
 * Admits a pod to a node as far as processors, memory and devices go: all of them from NUMA nodes that fit together, or the pod fails.
 * Source: `pkg/kubelet/cm/topologymanager/scope*.go` 1.36.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';
import type { PodVerdict } from '../../plan/pod-status.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { AdmissionFailure, NotEnoughError } from '../plan/admission-failure.ts';
import { givenContainers } from '../plan/pod-parts.ts';
import { mergeHints, type TopologyDecision, type TopologyPolicy } from '../plan/topology-policy.ts';
import type { ResourceGiver } from '../resource-giver.ts';
import type { ResourceMetrics } from '../resource-metrics.ts';

export interface TopologyManagerOptions {
  readonly policy: TopologyPolicy;
  readonly nodes: readonly NumaNode[];
  /** Asked in this order: those that may take long last. */
  readonly givers: readonly ResourceGiver[];
  readonly metrics: ResourceMetrics;
}

export class TopologyManager {
  private readonly options: TopologyManagerOptions;

  constructor(options: TopologyManagerOptions) {
    this.options = options;
  }

  /**
   * Gives every container what it asks for; a pod that is refused has nothing afterwards.
   * @returns why not, undefined if all was given
   * @throws the signal's reason, or what keeps it from being written down: the same call may succeed later
   */
  async admit(pod: Pod, signal: AbortSignal): Promise<PodVerdict | undefined> {
    const startedMs = performance.now();
    const tell = (refused: boolean): void => this.options.metrics.admitted(performance.now() - startedMs, refused);
    try {
      await this.giveAll(pod, signal);
      tell(false);
      return undefined;
    } catch (error) {
      const verdict = verdictOf(error);
      if (verdict === undefined) throw error;
      tell(true);
      this.release(uidOf(pod));
      return verdict;
    }
  }

  release(uid: string): void {
    for (const giver of this.options.givers) giver.release(uid);
  }

  /** Takes back what pods have that are no more. */
  releaseAllBut(isKnown: (uid: string) => boolean): void {
    const holders = new Set(this.options.givers.flatMap(giver => [...giver.holders()]));
    for (const uid of holders) if (!isKnown(uid)) this.release(uid);
  }

  private async giveAll(pod: Pod, signal: AbortSignal): Promise<void> {
    const { policy, givers } = this.options;
    const forPod = policy.scope === 'pod' ? this.decide(pod) : undefined;
    for (const container of givenContainers(pod)) {
      const decision = forPod ?? this.decide(pod, container);
      if (!decision.admit)
        throw new AdmissionFailure('TopologyAffinityError', 'Resources cannot be allocated with Topology locality');
      for (const giver of givers) await giver.give(pod, container, decision.nodes, signal);
    }
  }

  private decide(pod: Pod, container?: Container): TopologyDecision {
    const { policy, nodes, givers } = this.options;
    if (policy.name === 'none') return { admit: true, nodes: undefined };
    return mergeHints(
      policy,
      nodes,
      givers.map(giver => giver.hints(pod, container)),
    );
  }
}

function verdictOf(error: unknown): PodVerdict | undefined {
  if (error instanceof AdmissionFailure) return { reason: error.reason, message: `Pod was rejected: ${error.message}` };
  if (!(error instanceof NotEnoughError)) return undefined;
  const message = `Pod was rejected: Allocate failed due to ${error.message}, which is unexpected`;
  return { reason: 'UnexpectedAdmissionError', message };
}
