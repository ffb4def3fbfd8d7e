/**
 * Keeps one back end, and so one address family, as services ask.
 *
 * - A change is written at once; changes that come during a write are written together by the next one (see plan/write-pacer.ts).
 * - A write that fails is repeated with growing delay as a full one, since it is then unknown what the kernel has. So are services that alone
 *   were refused.
 * - Whether others changed our rules is looked up after they changed any, where something tells of that; else every 10 s.
 */
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import type { AddressFamily } from './plan/address.ts';
import type { UdpState } from './plan/udp-flows.ts';
import { WritePacer } from './plan/write-pacer.ts';
import type { UdpFlowKeeper } from './udp-flow-keeper.ts';

/** So many changed services, if they are most of all, are written faster by a full write. */
const BURST_SERVICES = 1_000;
/** The controller makes the slices of a new service within this, as a rule. */
const ENDPOINTS_MS = 30;
const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;
/** When what a back end refused is tried again: the cause may have gone, as a lack of memory does. */
const MIN_REFUSED_MS = 5_000;
const MAX_REFUSED_MS = 300_000;
/** Timers may fire a little early. */
const TIMER_SLACK_MS = 5;
/** A look once nobody has changed rules for so long, at the latest so long after the first. */
const QUIET_MS = 1_000;
const MAX_NOISE_MS = 5_000;
const POLL_MS = 10_000;
/** Where something tells of changes this is for what it missed. */
const WATCHED_POLL_MS = 300_000;

/** What is to be written of a service, and what flows have to know. */
export interface ServiceWork extends ServiceUpdate {
  readonly udp: readonly UdpState[];
}

export interface SyncReport {
  readonly family: AddressFamily;
  readonly kind: 'full' | 'delta';
  readonly services: number;
  readonly durationMs: number;
  /** When the changes of endpoints that are now in effect began, in milliseconds since the epoch. */
  readonly triggeredAtMs: readonly number[];
}

export interface FamilySyncOptions {
  readonly family: AddressFamily;
  readonly backend: ProxyBackend;
  /** Absent where packets have no flows of the kernel's. */
  readonly flows?: UdpFlowKeeper | undefined;
  /** All services' keys; asked for a full write. */
  readonly services: () => readonly string[];
  readonly workOf: (service: string) => ServiceWork;
  /** Whether something calls `suspect()` when rules change. */
  readonly isWatched: () => boolean;
  /** How often else; default 10 s. */
  readonly driftCheckMs?: number | undefined;
  /** Back ends whose rules an earlier process may have left; removed once ours stand. */
  readonly leftovers: readonly ProxyBackend[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly onQueued: (family: AddressFamily) => void;
  readonly onSynced: (report: SyncReport) => void;
  readonly onFailed: (family: AddressFamily, kind: SyncReport['kind']) => void;
}

export class FamilySync {
  private readonly options: FamilySyncOptions;
  private readonly dirty = new Set<string>();
  /** New services without endpoints that may still wait for them. */
  private readonly awaited = new Set<string>();
  private readonly triggered = new Map<string, number>();
  private readonly pacer = new WritePacer();
  private full = true;
  /** Services in the write that is under way. */
  private writing = 0;
  private refusedMs = 0;
  private cancelRefused: (() => void) | undefined;
  private suspectedSinceMs: number | undefined;
  private driftDueMs = Infinity;
  private wake: (() => void) | undefined;
  private resolveFirst: () => void = () => {};
  /** Resolves after the first write. */
  readonly written = new Promise<void>(resolve => (this.resolveFirst = resolve));

  constructor(options: FamilySyncOptions) {
    this.options = options;
  }

  get family(): AddressFamily {
    return this.options.family;
  }

  /** Services whose changes are not written yet. */
  get pending(): number {
    return this.dirty.size + this.writing;
  }

  /** @param triggeredAtMs when the cause of an endpoint's change was, if that is known */
  touch(service: string, triggeredAtMs?: number): void {
    if (!this.full && this.dirty.size === 0) this.options.onQueued(this.options.family);
    this.dirty.add(service);
    this.awaited.delete(service);
    if (triggeredAtMs !== undefined)
      this.triggered.set(service, Math.min(triggeredAtMs, this.triggered.get(service) ?? Infinity));
    this.wake?.();
  }

  /** A new service whose endpoints are about to come: one write for both is sooner done than two. */
  touchSoon(service: string): void {
    this.awaited.add(service);
    this.options.clock.after(ENDPOINTS_MS, () => {
      if (this.awaited.delete(service)) this.touch(service);
    });
  }

  touchAll(): void {
    this.options.onQueued(this.options.family);
    this.full = true;
    this.wake?.();
  }

  /** Somebody, maybe we, changed rules. */
  suspect(): void {
    const nowMs = this.options.clock.monotonicMs();
    this.suspectedSinceMs ??= nowMs;
    this.driftDueMs = Math.min(nowMs + QUIET_MS, this.suspectedSinceMs + MAX_NOISE_MS);
    this.wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, family } = this.options;
    const onAbort = (): void => this.wake?.();
    signal.addEventListener('abort', onAbort);
    let retryMs = 0;
    let leftovers = this.options.leftovers;
    try {
      while (!signal.aborted) {
        try {
          if (await this.step(signal)) {
            this.resolveFirst();
            const others = leftovers;
            leftovers = [];
            await this.removeLeftovers(others);
          }
          retryMs = 0;
        } catch (error) {
          this.full = true;
          retryMs = Math.min(Math.max(MIN_RETRY_MS, retryMs * 2), MAX_RETRY_MS);
          log.error({ error: errorText(error), family, retryMs }, 'service rules could not be written');
        }
        if (retryMs > 0) await clock.sleep(retryMs, signal).catch(() => {});
        else await this.untilDue(signal);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.cancelRefused?.();
    }
  }

  /** @returns whether it wrote */
  private async step(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.options;
    if (!this.full && this.dirty.size === 0) {
      if (clock.monotonicMs() < this.driftDueMs - TIMER_SLACK_MS) return false;
      this.planDriftCheck();
      return this.checkDrift();
    }
    const delayMs = this.full ? 0 : this.pacer.delayMs(clock.monotonicMs());
    if (delayMs > 0) await clock.sleep(delayMs, signal).catch(() => {});
    if (!signal.aborted) await this.sync();
    return true;
  }

  private async sync(): Promise<void> {
    const { backend, clock, family } = this.options;
    const startedMs = clock.monotonicMs();
    const all = this.full || this.dirty.size >= BURST_SERVICES ? this.options.services() : [];
    const isFull = this.full || (all.length > 0 && this.dirty.size * 2 > all.length);
    const kind = isFull ? 'full' : 'delta';
    const keys = isFull ? all : [...this.dirty];
    const triggered = new Map(this.triggered);
    const udp = new Map<string, readonly UdpState[]>();
    // Cleared before the first await: what comes during the write must be seen by the next one.
    this.dirty.clear();
    if (isFull) this.awaited.clear();
    this.triggered.clear();
    this.full = false;
    this.writing = keys.length;
    try {
      if (isFull) await backend.replaceAll(this.works(keys, udp));
      else await backend.update([...this.works(keys, udp)]);
    } catch (error) {
      for (const [service, atMs] of triggered) if (!this.triggered.has(service)) this.triggered.set(service, atMs);
      this.options.onFailed(family, kind);
      throw error;
    } finally {
      this.writing = 0;
    }
    this.planRefused();
    await this.options.flows?.follow(udp, isFull);
    const nowMs = clock.monotonicMs();
    if (!isFull) this.pacer.wrote(nowMs, nowMs - startedMs);
    if (this.driftDueMs === Infinity) this.planDriftCheck();
    this.options.onSynced({
      family,
      kind,
      services: keys.length,
      durationMs: nowMs - startedMs,
      triggeredAtMs: [...triggered.values()],
    });
    if (this.full || this.dirty.size > 0) this.options.onQueued(family);
  }

  private *works(keys: readonly string[], udp: Map<string, readonly UdpState[]>): Iterable<ServiceUpdate> {
    for (const key of keys) {
      const work = this.options.workOf(key);
      udp.set(key, work.udp);
      yield work;
    }
  }

  /** @returns whether all was written again */
  private async checkDrift(): Promise<boolean> {
    const { backend, log, family } = this.options;
    if (!(await backend.hasDrifted())) return false;
    log.warn({ family }, 'someone changed service rules; writing all of them again');
    this.touchAll();
    await this.sync();
    return true;
  }

  private planRefused(): void {
    const { backend, clock } = this.options;
    if (backend.refused.size === 0) this.refusedMs = 0;
    if (backend.refused.size === 0 || this.cancelRefused !== undefined) return;
    this.refusedMs = Math.min(Math.max(MIN_REFUSED_MS, this.refusedMs * 2), MAX_REFUSED_MS);
    this.cancelRefused = clock.after(this.refusedMs, () => {
      this.cancelRefused = undefined;
      for (const service of backend.refused.keys()) this.touch(service);
    });
  }

  private planDriftCheck(): void {
    const { clock, driftCheckMs, isWatched } = this.options;
    this.suspectedSinceMs = undefined;
    this.driftDueMs = clock.monotonicMs() + (driftCheckMs ?? (isWatched() ? WATCHED_POLL_MS : POLL_MS));
  }

  private async removeLeftovers(backends: readonly ProxyBackend[]): Promise<void> {
    for (const other of backends) {
      try {
        await other.cleanup();
      } catch (error) {
        this.options.log.warn({ mode: other.name, error: errorText(error) }, 'rules of another proxy mode may be left');
      }
    }
  }

  private async untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    for (;;) {
      const waitMs = this.driftDueMs - clock.monotonicMs();
      if (this.full || this.dirty.size > 0 || signal.aborted || waitMs <= TIMER_SLACK_MS) return;
      await new Promise<void>(resolve => {
        const done = (): void => {
          cancel();
          this.wake = undefined;
          resolve();
        };
        const cancel = clock.after(waitMs, done);
        this.wake = done;
      });
    }
  }
}
