/**
 * Registers the node and keeps its status true: written when it changes, and every five minutes anyway.
 *
 * - Looks every ten seconds at most; what it looks at never waits for a pod.
 * - Labels that others gave the node stay; ours are put back.
 */
import type { Node, NodeStatus } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { readFilesystemUsage } from '../../host/disk-usage.ts';
import type { PressureCondition } from '../eviction/plan/thresholds.ts';
import {
  newNode,
  nodeLabels,
  nodeStatus,
  withoutHeartbeats,
  type NodeFacts,
  type NodeObservation,
} from '../plan/node-object.ts';
import type { NodeImages } from '../images/node-images.ts';
import { sameJson } from '../plan/status-patch.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';

export interface NodeRegistrarOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: RuntimeService;
  readonly images: Pick<NodeImages, 'current'>;
  readonly facts: NodeFacts;
  /** Folder whose file system pods fill. */
  readonly root: string;
  readonly volumesInUse: () => readonly string[];
  /** What device plugins give. */
  readonly plugins: () => NodeObservation['plugins'];
  /** What the node is short of. */
  readonly pressure: () => readonly PressureCondition[];
  /** Further reasons not to be ready, in sentences. */
  readonly problems: () => readonly string[];
  /** Called whenever the node object is newly known. */
  readonly onNode: (node: Node) => void;
}

const LOOK_MS = 10_000;
const WRITE_MS = 300_000;
const RETRY_MS = 1_000;
const STARTING_LOOK_MS = 500;
const RUNTIME_TIMEOUT_MS = 5_000;

export class NodeRegistrar {
  private readonly options: NodeRegistrarOptions;
  private written: NodeStatus | undefined;
  private writtenAtMs = 0;
  private wasReady = false;
  private wakeUp: () => void = () => {};
  /** Since the last look began. */
  private changed = false;
  private readonly registered: Promise<void>;
  private markRegistered: () => void = () => {};

  constructor(options: NodeRegistrarOptions) {
    this.options = options;
    this.registered = new Promise(resolve => (this.markRegistered = resolve));
  }

  /** Resolves once the node is in the API with a status. */
  ready(): Promise<void> {
    return this.registered;
  }

  /** Something changed that the status tells: look now. */
  wake(): void {
    this.changed = true;
    this.wakeUp();
  }

  /** Runs until the signal aborts. Never throws: an API that is away is met again. */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.options;
    let node: Node | undefined;
    let failing = false;
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        node ??= await this.register(signal);
        node = await this.look(node, signal);
        this.markRegistered();
        failing = false;
        if (!this.wasReady) waitMs = STARTING_LOOK_MS;
      } catch (error) {
        if (signal.aborted) return;
        // Someone deleted it: it is registered again.
        if (isNotFound(error)) node = undefined;
        logger[failing ? 'debug' : 'warn']({ err: error }, 'Cannot tell the API about this node; trying again');
        failing = true;
        waitMs = RETRY_MS;
      }
      await this.sleep(waitMs, signal);
    }
  }

  private async sleep(waitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.changed) {
      const wake = new AbortController();
      this.wakeUp = () => wake.abort();
      await this.options.clock.sleep(waitMs, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
      this.wakeUp = () => {};
    }
    this.changed = false;
  }

  private async register(signal: AbortSignal): Promise<Node> {
    const { client, facts, onNode } = this.options;
    let node: Node;
    try {
      node = await client.of(nodes).create(newNode(facts), { signal });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      node = await client.of(nodes).get({ name: facts.nodeName }, signal);
      const labels = nodeLabels(facts);
      const missing = Object.entries(labels).filter(([key, value]) => node.metadata.labels?.[key] !== value);
      if (missing.length > 0) {
        const patch = { metadata: { labels: Object.fromEntries(missing) } };
        node = await client.of(nodes).patch({ name: facts.nodeName }, patch, { type: 'merge', signal });
      }
    }
    this.written = undefined;
    onNode(node);
    return node;
  }

  private async look(node: Node, signal: AbortSignal): Promise<Node> {
    const { client, clock, facts, onNode } = this.options;
    const seen = await this.observe(signal);
    const next = nodeStatus(facts, seen, node.status);
    this.wasReady = seen.notReady.length === 0;
    const same = this.written !== undefined && sameJson(withoutHeartbeats(this.written), withoutHeartbeats(next));
    if (same && clock.monotonicMs() - this.writtenAtMs < WRITE_MS) return node;
    const addresses = next.addresses ?? [];
    // A patch leaves alone what it does not name: what is over has to be said.
    const volumesInUse = next.volumesInUse ?? null;
    const status = { ...next, volumesInUse, addresses: [...addresses, { $patch: 'replace' }] };
    const written = await client
      .of(nodes)
      .patch({ name: facts.nodeName }, { status }, { type: 'strategic', subresource: 'status', signal });
    this.written = next;
    this.writtenAtMs = clock.monotonicMs();
    onNode(written);
    return written;
  }

  private async observe(signal: AbortSignal): Promise<NodeObservation> {
    const { runtime, clock, root, volumesInUse, problems } = this.options;
    const pressure = this.options.pressure();
    const [runtimeProblems, disk, images] = await Promise.all([
      this.runtimeProblems(runtime, signal),
      readFilesystemUsage(root).catch(() => undefined),
      this.options.images.current(signal),
    ]);
    return {
      diskBytes: disk?.capacityBytes ?? 0,
      images,
      runtimeHandlers: [],
      volumesInUse: volumesInUse(),
      plugins: this.options.plugins(),
      notReady: [...runtimeProblems, ...problems()],
      pressure: {
        memory: pressure.includes('MemoryPressure'),
        disk: pressure.includes('DiskPressure'),
        pid: pressure.includes('PIDPressure'),
      },
      nowMs: clock.now(),
    };
  }

  private async runtimeProblems(runtime: RuntimeService, signal: AbortSignal): Promise<string[]> {
    try {
      const { status } = await runtime.status({ signal, timeoutMs: RUNTIME_TIMEOUT_MS });
      return (status?.conditions ?? [])
        .filter(condition => !condition.status)
        .map(({ type, reason, message }) =>
          type === 'NetworkReady'
            ? `container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`
            : `container runtime not ready: ${type}=false reason:${reason} message:${message}`,
        );
    } catch (error) {
      signal.throwIfAborted();
      return [`container runtime is down: ${error instanceof Error ? error.message : String(error)}`];
    }
  }
}
