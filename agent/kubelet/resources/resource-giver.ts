/** What a manager of one kind of resource does for pods; the topology manager brings several together. */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { NumaMask } from './plan/numa-mask.ts';
import type { TopologyHints } from './plan/topology-policy.ts';

export interface ResourceGiver {
  /** Where it could be taken from; for the pod as a whole without a container. */
  hints(pod: Pod, container?: Container): TopologyHints;

  /**
   * Gives the container what it asks for; nothing if it has it. What was given is on the disk once this resolves.
   * @param nodes where to take it from first; undefined: anywhere
   * @throws NotEnoughError, AdmissionFailure, or the signal's reason
   */
  give(pod: Pod, container: Container, nodes: NumaMask | undefined, signal: AbortSignal): Promise<void>;

  /** Takes back what the pod has, if anything. */
  release(uid: string): void;

  /** UIDs of pods that have something. */
  holders(): Iterable<string>;
}
