/**
 * kube-proxy: follows Services and EndpointSlices and keeps the kernel's rules as they ask.
 *
 * - A change is written at once; changes that come during a write are written together by the next one. There is no period.
 * - Nothing is written before services and slices have been listed: an empty list would cut every connection.
 * - A write that fails is repeated with growing delay as a full one, since it is then unknown what the kernel has.
 * - Rules stay when the proxy stops, so that services work while it restarts; `cleanup()` removes them.
 *
 * Source: kube-proxy's iptables back end. Differs: no minimum sync period and no periodic full sync; a check for drift every 30 s
 * instead.
 */
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import { computeServicePorts } from './plan/compute-service-ports.ts';
import type { NodeModel } from './plan/model.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const SERVICE_INDEX = 'proxy.service';
/** So many changed services, if they are most of all, are written faster by a full write: rules in shared chains at once. */
const BURST_SERVICES = 1_000;
const MAX_RETRY_MS = 30_000;
/** Timers may fire a little early. */
const TIMER_SLACK_MS = 5;

export interface ProxierOptions {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly backend: ProxyBackend;
  /** Read at each write; call `nodeChanged()` when it gives something else. */
  readonly node: () => NodeModel;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the kernel is asked whether our rules are still there; default 30 s. */
  readonly driftCheckMs?: number;
  /** Called after each write with its duration. */
  readonly onSync?: (sync: { kind: 'full' | 'delta'; services: number; durationMs: number }) => void;
}

export class Proxier implements Component {
  readonly name = 'proxy';
  private readonly options: ProxierOptions;
  private readonly dirty = new Set<string>();
  private readonly problems = new Map<string, string>();
  private full = true;
  private wake: (() => void) | undefined;
  private readonly firstSync: Promise<void>;
  private readonly settleFirstSync: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: ProxierOptions) {
    this.options = options;
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.firstSync = new Promise((resolve, reject) => (settle = { resolve, reject }));
    // Nobody may be waiting for it.
    this.firstSync.catch(() => {});
    this.settleFirstSync = settle ?? { resolve: () => {}, reject: () => {} };
  }

  ready(): Promise<void> {
    return this.firstSync;
  }

  /** The node's zone, addresses or the cluster's range are different now. */
  nodeChanged(): void {
    this.full = true;
    this.wake?.();
  }

  /** Removes all rules. Not while it runs. */
  cleanup(): Promise<void> {
    return this.options.backend.cleanup();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { services, endpointSlices, clock } = this.options;
    endpointSlices.addIndex(SERVICE_INDEX, slice => {
      const service = serviceOf(slice);
      return service === undefined ? [] : [service];
    });
    const touchService = (service: Service): void =>
      this.touch(`${service.metadata.namespace}/${service.metadata.name}`);
    const touchSlice = (slice: EndpointSlice): void => this.touch(serviceOf(slice));
    const removeHandlers = [
      services.addHandler({ onAdd: touchService, onUpdate: (_, now) => touchService(now), onDelete: touchService }),
      endpointSlices.addHandler({
        onAdd: touchSlice,
        onUpdate: (before, now) => {
          touchSlice(before);
          touchSlice(now);
        },
        onDelete: touchSlice,
      }),
    ];
    const onAbort = (): void => this.wake?.();
    signal.addEventListener('abort', onAbort);
    let driftDueMs = Infinity;
    let retryMs = 0;
    try {
      await untilAborted(Promise.all([services.synced(), endpointSlices.synced()]), signal);
      while (!signal.aborted) {
        try {
          const isDue = clock.monotonicMs() >= driftDueMs - TIMER_SLACK_MS;
          if (this.full || this.dirty.size > 0) await this.sync();
          else if (isDue) await this.checkDrift();
          if (isDue || driftDueMs === Infinity)
            driftDueMs = clock.monotonicMs() + (this.options.driftCheckMs ?? 30_000);
          retryMs = 0;
          this.settleFirstSync.resolve();
        } catch (error) {
          this.full = true;
          retryMs = Math.min(Math.max(200, retryMs * 2), MAX_RETRY_MS);
          this.options.log.error({ error: String(error), retryMs }, 'service rules could not be written');
        }
        if (retryMs > 0) await clock.sleep(retryMs, signal).catch(() => {});
        else await this.untilChanged(driftDueMs, signal);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      for (const remove of removeHandlers) remove();
      this.settleFirstSync.reject(signal.reason ?? new Error('the proxy stopped before its first write'));
    }
  }

  private touch(service: string | undefined): void {
    if (service === undefined) return;
    this.dirty.add(service);
    this.wake?.();
  }

  private async sync(): Promise<void> {
    const { backend, services, clock, onSync } = this.options;
    const startedMs = clock.monotonicMs();
    const keys = [...this.dirty];
    const isBurst = keys.length >= BURST_SERVICES && keys.length * 2 > services.lister.list().length;
    const kind = this.full || isBurst ? 'full' : 'delta';
    // Cleared before the first await: what comes during the write must be seen by the next one.
    this.dirty.clear();
    this.full = false;
    let count = keys.length;
    if (kind === 'full') {
      const all = services.lister.list();
      count = all.length;
      await backend.replaceAll(this.updatesOf(all));
    } else {
      await backend.update(keys.map(key => this.updateOf(key)));
    }
    onSync?.({ kind, services: count, durationMs: clock.monotonicMs() - startedMs });
  }

  private async checkDrift(): Promise<void> {
    if (!(await this.options.backend.hasDrifted())) return;
    this.options.log.warn({}, 'someone removed service rules; writing all of them again');
    this.full = true;
    await this.sync();
  }

  private *updatesOf(all: readonly Service[]): Iterable<ServiceUpdate> {
    for (const service of all) yield this.updateOf(`${service.metadata.namespace}/${service.metadata.name}`);
  }

  private updateOf(key: string): ServiceUpdate {
    const { services, endpointSlices, node } = this.options;
    const slash = key.indexOf('/');
    const service = services.lister.get(key.slice(0, slash), key.slice(slash + 1));
    if (service === undefined) {
      this.problems.delete(key);
      return { service: key, ports: [] };
    }
    const { ports, problems } = computeServicePorts(service, endpointSlices.lister.byIndex(SERVICE_INDEX, key), node());
    this.report(
      key,
      problems.map(problem => problem.message),
    );
    return { service: key, ports };
  }

  /** Says once what is wrong with a service. */
  private report(service: string, messages: readonly string[]): void {
    const text = messages.join('; ');
    if (text === (this.problems.get(service) ?? '')) return;
    if (text === '') this.problems.delete(service);
    else {
      this.problems.set(service, text);
      this.options.log.warn({ service, problems: messages }, 'parts of a service cannot be programmed');
    }
  }

  private untilChanged(driftDueMs: number, signal: AbortSignal): Promise<void> {
    if (this.full || this.dirty.size > 0 || signal.aborted) return Promise.resolve();
    const { clock } = this.options;
    return new Promise(resolve => {
      const done = (): void => {
        cancel();
        this.wake = undefined;
        resolve();
      };
      const cancel = clock.after(driftDueMs - clock.monotonicMs(), done);
      this.wake = done;
    });
  }
}

function serviceOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : `${slice.metadata.namespace}/${name}`;
}

function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    promise.then(() => resolve(), reject);
  });
}
