/** Renews the node's Lease: how the control plane knows that the node lives. */
import { leases } from '../../../machinery/client/resource.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Lease } from '../../../proto/api/coordination-v1.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { rfc3339Micro } from '../plan/time-format.ts';

const NAMESPACE = 'kube-node-lease';
/** So often it is renewed while it holds. */
const RENEWALS = 4;
const RETRY_MS = 1_000;

export interface NodeLeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  /** How long a renewal holds. */
  readonly durationSeconds: number;
  /** Of the Node object, once it is known: the Lease goes with it. */
  readonly nodeUid: () => string | undefined;
}

export class NodeLease {
  private readonly options: NodeLeaseOptions;
  private failing = false;

  constructor(options: NodeLeaseOptions) {
    this.options = options;
  }

  /** Renews until the signal aborts. Never throws: an API that is away is met again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, durationSeconds } = this.options;
    const renewMs = (durationSeconds * 1_000) / RENEWALS;
    while (!signal.aborted) {
      let waitMs = renewMs;
      try {
        // A renewal that hangs must not keep the next one from trying.
        await this.renew(AbortSignal.any([signal, AbortSignal.timeout(renewMs)]));
        this.failing = false;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = RETRY_MS;
        logger[this.failing ? 'debug' : 'warn']({ err: error }, 'Cannot renew the node lease; trying again');
        this.failing = true;
      }
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  private async renew(signal: AbortSignal): Promise<void> {
    const { client, clock, nodeName, durationSeconds } = this.options;
    const renewTime = rfc3339Micro(clock.now());
    const ref = { namespace: NAMESPACE, name: nodeName };
    try {
      const patch = { spec: { holderIdentity: nodeName, leaseDurationSeconds: durationSeconds, renewTime } };
      await client.of(leases).patch(ref, patch, { type: 'merge', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.create(renewTime, signal);
    }
  }

  private async create(renewTime: string, signal: AbortSignal): Promise<void> {
    const { client, nodeName, nodeUid, durationSeconds } = this.options;
    const uid = nodeUid();
    const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: uid ?? '' };
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: NAMESPACE, name: nodeName, ...(uid === undefined ? {} : { ownerReferences: [owner] }) },
      spec: { holderIdentity: nodeName, leaseDurationSeconds: durationSeconds, renewTime },
    };
    await client
      .of(leases)
      .create(lease, { signal })
      .catch((error: unknown) => {
        if (!hasReason(error, 'AlreadyExists')) throw error;
      });
  }
}
