/** Binds containers of Guaranteed pods to NUMA nodes that have their memory, by the static policy, and remembers whose it is. */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { CheckpointFile } from '../checkpoint-file.ts';
import { readMemoryCheckpoint, writeMemoryCheckpoint } from '../plan/memory-checkpoint.ts';
import {
  assignMemory,
  memoryHints,
  memoryNodesOf,
  memoryOfNodes,
  releaseMemory,
  type MemoryBlock,
  type MemoryPolicy,
  type MemoryState,
  type NodeMemoryState,
} from '../plan/memory-static.ts';
import type { NumaMask } from '../plan/numa-mask.ts';
import type { TopologyHints } from '../plan/topology-policy.ts';
import type { ResourceGiver } from '../resource-giver.ts';
import type { ResourceMetrics } from '../resource-metrics.ts';
import { StateConflictError } from '../state-conflict.ts';

const POLICY = 'Static';

export interface MemoryManagerOptions {
  readonly policy: MemoryPolicy;
  readonly file: CheckpointFile;
  readonly logger: Logger;
  readonly metrics: ResourceMetrics;
}

export class MemoryManager implements ResourceGiver {
  private readonly options: MemoryManagerOptions;
  private state: MemoryState = new Map();

  constructor(options: MemoryManagerOptions) {
    this.options = options;
  }

  /** Reads who had what. @throws StateConflictError */
  async restore(): Promise<void> {
    const { policy, file } = this.options;
    const text = await file.read();
    if (text !== undefined) {
      const read = StateConflictError.reading(file.path, 'memory', () => readMemoryCheckpoint(text, policy));
      StateConflictError.checkPolicy(file.path, 'memory', POLICY, read.policyName);
      if (!read.sameMachine && read.state.size > 0) {
        const conflict =
          'the expected machine state is different from the real one (memory, huge pages or reservedMemory)';
        throw new StateConflictError(file.path, 'memory', conflict);
      }
      this.state = read.state;
    }
    await this.save();
  }

  /** NUMA nodes that the container is bound to; undefined: none. */
  nodesOf(uid: string, container: string): NumaMask | undefined {
    return memoryNodesOf(this.state, uid, container);
  }

  blocksOf(uid: string, container: string): readonly MemoryBlock[] {
    return this.state.get(uid)?.get(container) ?? [];
  }

  /** By NUMA node. */
  get machine(): ReadonlyMap<number, NodeMemoryState> {
    return memoryOfNodes(this.options.policy, this.state);
  }

  hints(pod: Pod, container?: Container): TopologyHints {
    return memoryHints(this.options.policy, this.state, pod, container);
  }

  async give(pod: Pod, container: Container, nodes: NumaMask | undefined): Promise<void> {
    const { policy, metrics } = this.options;
    let next: MemoryState;
    try {
      next = assignMemory(policy, this.state, pod, container, nodes);
    } catch (error) {
      metrics.pinned('memory', true);
      throw error;
    }
    if (next === this.state) return;
    metrics.pinned('memory', false);
    this.state = next;
    await this.save();
  }

  release(uid: string): void {
    if (!this.state.has(uid)) return;
    this.state = releaseMemory(this.state, uid);
    const { file, logger } = this.options;
    this.save().catch((error: unknown) => {
      logger.warn({ err: error, file: file.path }, 'Cannot write down which pods have which memory');
    });
  }

  holders(): Iterable<string> {
    return this.state.keys();
  }

  private save(): Promise<void> {
    const { policy, file } = this.options;
    return file.save(() => writeMemoryCheckpoint(POLICY, policy, this.state));
  }
}
