/**
 * Leases for keys with a time to live. Keys written within a while of each other share one, so that a thousand events make a few leases, not a
 * thousand; for that a key may live longer than asked by `shareMs()`, never shorter. Behaviour of upstream's lease manager.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../../../machinery/process/clock.ts';
import { LeaseService } from '../../../proto/etcd/rpc.gen.ts';
import { EtcdError } from './etcd-error.ts';
import type { EtcdClient } from './etcd-client.ts';

/** A lease is shared for 5 % of its time, at most a minute. */
const SHARE = 0.05;
const MAX_SHARE_SECONDS = 60;
/** etcd deletes the keys of a lease in one go: they shall not be too many. */
const MAX_KEYS = 1_000;
/** Lease ids are ours, below 2^48, so that a grant may be tried twice. */
const MAX_ID = 2 ** 48 - 1;

interface SharedLease {
  readonly id: number;
  /** From then on it is too short for another key. */
  readonly goodUntilMs: number;
  keys: number;
}

export class LeaseKeeper {
  private readonly client: EtcdClient;
  private readonly clock: Clock;
  /** By time to live, seconds. */
  private readonly leases = new Map<number, Promise<SharedLease>>();

  constructor(client: EtcdClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** @returns the id of a lease that lasts at least `ttlSeconds` from now @throws StoreUnavailableError */
  async leaseFor(ttlSeconds: number): Promise<number> {
    for (;;) {
      const known = this.leases.get(ttlSeconds);
      if (known === undefined) {
        this.begin(ttlSeconds);
        continue;
      }
      const lease = await known;
      if (this.clock.monotonicMs() < lease.goodUntilMs && lease.keys < MAX_KEYS) {
        lease.keys++;
        return lease.id;
      }
      if (this.leases.get(ttlSeconds) === known) this.leases.delete(ttlSeconds);
    }
  }

  /** etcd does not know the lease any more. */
  forget(ttlSeconds: number): void {
    this.leases.delete(ttlSeconds);
  }

  private begin(ttlSeconds: number): void {
    const grant = this.grant(ttlSeconds);
    this.leases.set(ttlSeconds, grant);
    grant.catch(() => {
      if (this.leases.get(ttlSeconds) === grant) this.leases.delete(ttlSeconds);
    });
  }

  private async grant(ttlSeconds: number): Promise<SharedLease> {
    const shareSeconds = Math.min(MAX_SHARE_SECONDS, Math.ceil(ttlSeconds * SHARE));
    // The lease runs from somewhere after this.
    const fromMs = this.clock.monotonicMs();
    for (;;) {
      const id = randomInt(1, MAX_ID);
      try {
        await this.client.read(LeaseService.leaseGrant, { TTL: Math.ceil(ttlSeconds) + shareSeconds, ID: id });
        return { id, goodUntilMs: fromMs + shareSeconds * 1000, keys: 0 };
      } catch (error) {
        // A number drawn twice, or this grant done before an answer that got lost: another number settles both.
        if (!(error instanceof EtcdError) || error.failure !== 'leaseExists') throw error;
      }
    }
  }
}
