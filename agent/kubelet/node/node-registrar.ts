/**
 * Registers the node and keeps its status true: written when it changes, and now and then anyway.
 *
 * - Looks every `nodeStatusUpdateFrequency`; what it looks at never waits for a pod.
 * - What somebody else changes on the node is seen at once: an entry of its capacity counts, a condition of ours is put back.
 * - Labels that others gave the node stay; ours are put back.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { durationMs, type KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { schedulableEvent, statusEvents, type NodeEvent } from './plan/node-events.ts';
import { newNode, nodeStatus, reregistration, type NodeFacts, type NodeObservation } from './plan/node-object.ts';
import { nodeStatusPatch } from './plan/node-status-patch.ts';
import { isNewerVersion } from '../plan/resource-version.ts';
import { nodeSubject } from './plan/node-subject.ts';
import type { NodeObserver } from './node-observer.ts';

export interface NodeRegistrarOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly configuration: KubeletConfiguration;
  readonly facts: NodeFacts;
  /** Of this node alone. */
  readonly nodeInformer: Informer<Node>;
  readonly observer: NodeObserver;
  /** Called whenever the node object is newly known; undefined: it has been deleted. */
  readonly onNode: (node: Node | undefined) => void;
}

const RETRY_MS = 1_000;
const STARTING_LOOK_MS = 500;
/** Two who write against each other do so no faster than this. */
const LEAST_GAP_MS = 1_000;

export class NodeRegistrar {
  private readonly options: NodeRegistrarOptions;
  private readonly lookMs: number;
  private readonly reportMs: number;
  private node: Node | undefined;
  private seen: NodeObservation | undefined;
  private writtenAtMs = Number.NEGATIVE_INFINITY;
  private wakeUp: () => void = () => {};
  /** Since the last look began. */
  private changed = false;
  private readonly registered: Promise<void>;
  private markRegistered: () => void = () => {};

  constructor(options: NodeRegistrarOptions) {
    this.options = options;
    this.lookMs = durationMs(options.configuration.nodeStatusUpdateFrequency);
    this.reportMs = durationMs(options.configuration.nodeStatusReportFrequency);
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
    const { logger, nodeInformer } = this.options;
    this.tell({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
    const removeHandler = nodeInformer.addHandler({
      onAdd: node => this.nodeSeen(node),
      onUpdate: (_older, node) => this.nodeSeen(node),
      onDelete: () => this.nodeGone(),
    });
    let failing = false;
    while (!signal.aborted) {
      let waitMs = this.lookMs;
      try {
        const node = this.node ?? (await this.register(signal));
        if (node !== undefined) {
          await this.look(node, signal);
          this.markRegistered();
          if (this.seen?.notReady.length !== 0) waitMs = Math.min(waitMs, STARTING_LOOK_MS);
        }
        failing = false;
      } catch (error) {
        if (signal.aborted) break;
        // Someone deleted it: it is registered again.
        if (isNotFound(error)) this.node = undefined;
        logger[failing ? 'debug' : 'warn']({ err: error }, 'Cannot tell the API about this node; trying again');
        failing = true;
        waitMs = RETRY_MS;
      }
      await this.sleep(waitMs, signal);
    }
    removeHandler();
  }

  private async sleep(waitMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    if (!this.changed) {
      const wake = new AbortController();
      this.wakeUp = () => wake.abort();
      await clock.sleep(waitMs, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
      this.wakeUp = () => {};
    }
    this.changed = false;
  }

  private nodeSeen(node: Node): void {
    const older = this.node;
    // Our own write is known before the watch tells what came before it.
    if (older !== undefined && isNewerVersion(older, node)) return;
    this.node = node;
    this.options.onNode(node);
    const event = older === undefined ? undefined : schedulableEvent(older, node);
    if (event !== undefined) this.tell(event);
    if (older === undefined) return this.wake();
    if (this.seen === undefined) return;
    const { clock, facts } = this.options;
    if (nodeStatusPatch(node.status, nodeStatus(facts, this.seen, node.status), false) === undefined) return;
    const sinceMs = clock.monotonicMs() - this.writtenAtMs;
    if (sinceMs >= LEAST_GAP_MS) this.wake();
    else clock.after(LEAST_GAP_MS - sinceMs, () => this.wake());
  }

  private nodeGone(): void {
    this.node = undefined;
    this.options.onNode(undefined);
    this.wake();
  }

  /** Undefined when somebody else is to register it, and has not. */
  private async register(signal: AbortSignal): Promise<Node | undefined> {
    const { client, configuration, facts } = this.options;
    // The informer tells of it.
    if (!configuration.registerNode) return undefined;
    let node: Node;
    try {
      node = await client.of(nodes).create(newNode(facts), { signal });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      node = await client.of(nodes).get({ name: facts.nodeName }, signal);
      const patch = reregistration(facts, node);
      if (patch !== undefined)
        node = await client.of(nodes).patch({ name: facts.nodeName }, patch, { type: 'merge', signal });
    }
    this.node = node;
    this.options.onNode(node);
    return node;
  }

  private async look(known: Node, signal: AbortSignal): Promise<void> {
    const { client, clock, facts, observer } = this.options;
    this.seen = await observer.observe(signal);
    // It may have changed while we looked.
    const node = this.node ?? known;
    const next = nodeStatus(facts, this.seen, node.status);
    const patch = nodeStatusPatch(node.status, next, clock.monotonicMs() - this.writtenAtMs >= this.reportMs);
    if (patch === undefined) return;
    const written = await client
      .of(nodes)
      .patch({ name: facts.nodeName }, patch, { type: 'strategic', subresource: 'status', signal });
    for (const event of statusEvents(facts.nodeName, node.status, next)) this.tell(event);
    this.writtenAtMs = clock.monotonicMs();
    this.node = written;
    this.options.onNode(written);
  }

  private tell({ type, reason, message }: NodeEvent): void {
    this.options.recorder.event(nodeSubject(this.options.facts.nodeName), type, reason, message);
  }
}
