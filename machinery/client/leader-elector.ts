/**
 * One leader among several processes, by a Lease.
 *
 * - A leader that could not renew for `renewDeadlineMs` stops leading before another can take over.
 * - Another's lease counts as expired when it did not change for its duration by our own monotonic clock: machines' clocks are not compared.
 * - On stop the lease is given back, so that the next leader starts at once.
 * Source: the behaviour of client-go `tools/leaderelection`.
 */
import type { Lease, LeaseSpec } from '../../proto/api/coordination-v1.ts';
import { isNotFound } from '../meta/status-error-from.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/logger.ts';
import type { Client, ObjectRef } from './client.ts';
import { leases } from './resource.ts';

export interface LeaderElectorOptions {
  client: Client;
  /** The Lease: namespace and name. */
  lease: ObjectRef;
  /** Unique among candidates. */
  identity: string;
  clock: Clock;
  logger: Logger;
  /** Told whenever this candidate begins or ends to lead; for metrics. */
  onLeading?: ((leads: boolean) => void) | undefined;
  /** Default 15. */
  leaseDurationSeconds?: number | undefined;
  /** Default 10,000. */
  renewDeadlineMs?: number | undefined;
  /** Default 2,000. */
  retryPeriodMs?: number | undefined;
}

export class LeaderElector {
  private readonly options: LeaderElectorOptions;
  private readonly durationSeconds: number;
  private readonly deadlineMs: number;
  private readonly retryMs: number;
  private observed: { version: string; atMs: number } | undefined;

  constructor(options: LeaderElectorOptions) {
    this.options = options;
    this.durationSeconds = options.leaseDurationSeconds ?? 15;
    this.deadlineMs = options.renewDeadlineMs ?? 10_000;
    this.retryMs = options.retryPeriodMs ?? 2_000;
  }

  /**
   * Waits for leadership, then calls `lead` with a signal that aborts when it is lost; then waits again.
   * Resolves when `signal` aborts and `lead` has ended. @throws what `lead` throws
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      if (await this.tryAcquire(signal)) await this.leadOnce(signal, lead);
      else await this.pause(signal);
    }
  }

  private async leadOnce(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { logger, lease, identity } = this.options;
    logger.info({ lease: lease.name, identity }, 'Became leader');
    this.options.onLeading?.(true);
    const lost = new AbortController();
    const leading = AbortSignal.any([signal, lost.signal]);
    const work = lead(leading).finally(() => lost.abort());
    await this.keep(leading);
    lost.abort();
    try {
      await work;
    } finally {
      this.options.onLeading?.(false);
      await this.release();
      logger.info({ lease: lease.name, identity }, 'Leads no more');
    }
  }

  /** Renews until `signal` aborts or the deadline passes. */
  private async keep(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    let renewedMs = clock.monotonicMs();
    while (!signal.aborted) {
      await this.pause(signal);
      if (signal.aborted) return;
      const leftMs = renewedMs + this.deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      // A call that hangs must not make us believe that we lead.
      const late = new AbortController();
      const cancel = clock.after(leftMs, () => late.abort());
      if (await this.tryAcquire(AbortSignal.any([signal, late.signal]))) renewedMs = clock.monotonicMs();
      cancel();
    }
  }

  private async tryAcquire(signal: AbortSignal): Promise<boolean> {
    const { client, lease: ref, identity, clock, logger } = this.options;
    const now = microTime(clock.now());
    const mine: LeaseSpec = { holderIdentity: identity, leaseDurationSeconds: this.durationSeconds, renewTime: now };
    try {
      const lease = await this.get(signal);
      if (lease === undefined) {
        const spec = { ...mine, acquireTime: now, leaseTransitions: 0 };
        await client.of(leases).create({ metadata: { namespace: ref.namespace, name: ref.name }, spec }, { signal });
        return true;
      }
      const holder = lease.spec.holderIdentity ?? '';
      if (holder !== identity && holder !== '' && !this.isExpired(lease)) return false;
      const transitions = (lease.spec.leaseTransitions ?? 0) + (holder === identity ? 0 : 1);
      const acquireTime = holder === identity ? (lease.spec.acquireTime ?? now) : now;
      const spec = { ...lease.spec, ...mine, acquireTime, leaseTransitions: transitions };
      await client.of(leases).update({ ...lease, spec }, { signal });
      return true;
    } catch (error) {
      if (!signal.aborted) logger.debug({ lease: ref.name, err: error }, 'Lease was not acquired');
      return false;
    }
  }

  private isExpired(lease: Lease): boolean {
    const version = lease.metadata.resourceVersion ?? '';
    const nowMs = this.options.clock.monotonicMs();
    if (this.observed?.version !== version) this.observed = { version, atMs: nowMs };
    return nowMs - this.observed.atMs >= (lease.spec.leaseDurationSeconds ?? this.durationSeconds) * 1000;
  }

  private async release(): Promise<void> {
    const cut = AbortSignal.timeout(2000);
    try {
      const lease = await this.get(cut);
      if (lease?.spec.holderIdentity !== this.options.identity) return;
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      await this.options.client.of(leases).update({ ...lease, spec }, { signal: cut });
    } catch (error) {
      this.options.logger.debug({ err: error }, 'Lease was not given back; it will expire');
    }
  }

  private async get(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return await this.options.client.of(leases).get(this.options.lease, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async pause(signal: AbortSignal): Promise<void> {
    await this.options.clock.sleep(this.retryMs * (1 + Math.random() / 5), signal).catch(() => undefined);
  }
}

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
