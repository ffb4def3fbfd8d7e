/**
 * Gives processors to containers for themselves, by the static policy, and remembers whose they are.
 *
 * Who has none to himself runs on what is left, which changes with every pod that comes or goes.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { sameSet, unionOf } from '../../../../machinery/meta/cpu-set.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { CheckpointFile } from '../checkpoint-file.ts';
import { readCpuCheckpoint, writeCpuCheckpoint } from '../plan/cpu-checkpoint.ts';
import {
  allocatableCpus,
  assignCpus,
  cpuHints,
  cpuStateConflict,
  initialCpuState,
  releaseCpus,
  type CpuPolicy,
  type CpuState,
} from '../plan/cpu-static.ts';
import type { NumaMask } from '../plan/numa-mask.ts';
import type { TopologyHints } from '../plan/topology-policy.ts';
import type { ResourceGiver } from '../resource-giver.ts';
import type { ResourceMetrics } from '../resource-metrics.ts';
import { StateConflictError } from '../state-conflict.ts';

const POLICY = 'static';

export interface CpuManagerOptions {
  readonly policy: CpuPolicy;
  readonly file: CheckpointFile;
  readonly logger: Logger;
  readonly metrics: ResourceMetrics;
  /** Containers without processors of their own have others now. */
  readonly onShared: () => void;
}

export class CpuManager implements ResourceGiver {
  private readonly options: CpuManagerOptions;
  private state: CpuState;

  constructor(options: CpuManagerOptions) {
    this.options = options;
    this.state = initialCpuState(options.policy);
  }

  /** Reads who had what. @throws StateConflictError */
  async restore(): Promise<void> {
    const { policy, file } = this.options;
    const text = await file.read();
    if (text !== undefined) {
      const { policyName, state } = StateConflictError.reading(file.path, 'CPU', () => readCpuCheckpoint(text));
      StateConflictError.checkPolicy(file.path, 'CPU', POLICY, policyName);
      const conflict = cpuStateConflict(policy, state);
      if (conflict !== undefined) throw new StateConflictError(file.path, 'CPU', conflict);
      this.state = state;
    }
    await this.save();
  }

  /** Those that the container has to itself; undefined: it shares. */
  ownCpus(uid: string, container: string): CpuSet | undefined {
    return this.state.assigned.get(uid)?.get(container);
  }

  /** How many processors are somebody's alone. */
  get ownedCount(): number {
    return unionOf(...[...this.state.assigned.values()].flatMap(containers => [...containers.values()])).length;
  }

  get sharedCpus(): CpuSet {
    return this.state.shared;
  }

  get allocatable(): CpuSet {
    return allocatableCpus(this.options.policy);
  }

  hints(pod: Pod, container?: Container): TopologyHints {
    return cpuHints(this.options.policy, this.state, pod, container);
  }

  async give(pod: Pod, container: Container, nodes: NumaMask | undefined): Promise<void> {
    const { policy, metrics } = this.options;
    let next: CpuState;
    try {
      next = assignCpus(policy, this.state, pod, container, nodes);
    } catch (error) {
      metrics.pinned('cpu', true);
      throw error;
    }
    if (!this.become(next)) return;
    metrics.pinned('cpu', false);
    await this.save();
  }

  release(uid: string): void {
    if (!this.become(releaseCpus(this.state, uid))) return;
    const { file, logger } = this.options;
    this.save().catch((error: unknown) => {
      logger.warn({ err: error, file: file.path }, 'Cannot write down which pods have which CPUs');
    });
  }

  holders(): Iterable<string> {
    return this.state.assigned.keys();
  }

  /** @returns whether it is another state */
  private become(state: CpuState): boolean {
    if (state === this.state) return false;
    const { shared } = this.state;
    this.state = state;
    if (!sameSet(shared, state.shared)) this.options.onShared();
    return true;
  }

  private save(): Promise<void> {
    return this.options.file.save(() => writeCpuCheckpoint(POLICY, this.state));
  }
}
