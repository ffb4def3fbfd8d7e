/**
 * Registers the nodes and keeps them alive: each renews its Lease once an interval, all spread evenly over it, and tells its status anew every
 * 5 minutes, as kubelets do.
 */
import type { Client } from '../../machinery/client/client.ts';
import { leases, nodes } from '../../machinery/client/resource.ts';
import { hasReason, isAlreadyExists, isTransient } from '../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import { leaseObject, nodeConditions, nodeName, nodeObject, type NodeShape } from './plan/node-objects.ts';
import type { Writes } from './writes.ts';

const STATUS_MS = 300_000;
/** A kubelet's Lease lasts four renewals. */
const LEASE_RENEWALS = 4;
const LATENCIES = 1000;

export interface HeartbeatsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly writes: Writes;
  readonly prefix: string;
  readonly count: number;
  readonly shape: NodeShape;
  readonly intervalMs: number;
}

interface Beating {
  readonly name: string;
  uid: string;
  /** Of its Lease; undefined: it may not be there, or be another one. */
  version: string | undefined;
  isBusy: boolean;
  toldMs: number;
}

export class Heartbeats {
  private readonly options: HeartbeatsOptions;
  private readonly beating: Beating[] = [];
  private readonly latencies: number[] = [];
  private readonly sinceMs: number;
  renewed = 0;
  /** Renewals that failed, and those left out because the one before had not been answered. */
  missed = 0;

  constructor(options: HeartbeatsOptions) {
    this.options = options;
    this.sinceMs = options.clock.now();
  }

  /** Milliseconds of the newest renewals, in no order. */
  get latenciesMs(): readonly number[] {
    return this.latencies;
  }

  /** Resolves once all nodes are there. Nodes that are there already are taken over. */
  async register(): Promise<void> {
    const { count, writes } = this.options;
    await Promise.all(
      Array.from(
        { length: count },
        (_, index) =>
          new Promise<void>(resolve =>
            writes.add(async signal => {
              this.beating[index] = await this.registerOne(index, signal);
              resolve();
            }),
          ),
      ),
    );
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, count } = this.options;
    const beganMs = clock.monotonicMs();
    for (let turn = 0; !signal.aborted; turn++) {
      const aheadMs = beganMs + (turn * intervalMs) / count - clock.monotonicMs();
      if (aheadMs > 0) await clock.sleep(aheadMs, signal).catch(() => undefined);
      if (!signal.aborted) void this.beat(this.beating[turn % count] as Beating, signal);
    }
  }

  private async registerOne(index: number, signal: AbortSignal): Promise<Beating> {
    const { client, clock, prefix, shape } = this.options;
    const name = nodeName(prefix, index);
    const node = await client
      .of(nodes)
      .create(nodeObject(prefix, index, shape, clock.now()), { signal })
      .catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
        return client.of(nodes).get({ name }, signal);
      });
    const toldMs = clock.now() - (index / this.options.count) * STATUS_MS;
    return { name, uid: node.metadata.uid ?? '', version: undefined, isBusy: false, toldMs };
  }

  private async beat(node: Beating, signal: AbortSignal): Promise<void> {
    if (node.isBusy) return void this.missed++;
    node.isBusy = true;
    const { clock } = this.options;
    const beganMs = clock.monotonicMs();
    try {
      await this.renew(node, signal);
      this.latencies[this.renewed++ % LATENCIES] = clock.monotonicMs() - beganMs;
      if (clock.now() - node.toldMs >= STATUS_MS) await this.tellStatus(node, signal);
    } catch (error) {
      if (!signal.aborted && !isTransient(error)) console.error(`${node.name}: ${String(error)}`);
      node.version = undefined;
      this.missed++;
    } finally {
      node.isBusy = false;
    }
  }

  private async renew(node: Beating, signal: AbortSignal): Promise<void> {
    const { client, clock, intervalMs } = this.options;
    const lease = (version: string | undefined) =>
      leaseObject(node, Math.round((intervalMs / 1000) * LEASE_RENEWALS), clock.now(), version);
    const all = client.of(leases);
    if (node.version === undefined) {
      const { namespace } = lease(undefined).metadata;
      const made = await all.create(lease(undefined), { signal }).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
        return all.get({ namespace, name: node.name }, signal);
      });
      node.version = made.metadata.resourceVersion;
    }
    try {
      node.version = (await all.update(lease(node.version), { signal })).metadata.resourceVersion;
    } catch (error) {
      // Somebody else wrote it, or took it away: the next turn looks.
      if (!hasReason(error, 'Conflict', 'NotFound')) throw error;
      node.version = undefined;
    }
  }

  private async tellStatus(node: Beating, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.options;
    node.toldMs = clock.now();
    const patch = { status: { conditions: nodeConditions(node.toldMs, this.sinceMs) } };
    await client.of(nodes).patch({ name: node.name }, patch, { type: 'strategic', subresource: 'status', signal });
  }
}
