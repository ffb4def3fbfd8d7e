/**
 * kube-proxy: follows Services and EndpointSlices and keeps what forwards their packets as they ask, by one back end an address family.
 *
 * - Nothing is written before services and slices have been listed: an empty list would cut every connection.
 * - A family that cannot be written does not hold up the other.
 * - Of what several services ask for the oldest holds it; the others are told (see plan/service-claims.ts). Nobody gets the address and port
 *   of an API server.
 * - Rules stay when the proxy stops, so that services work while it restarts; `cleanup()` removes them.
 *
 * Source: kube-proxy. Differs: no minimum sync period and no periodic full sync; changes of rules by others are looked for instead.
 */
import { serviceOfSlice, triggeredAtMs } from '../../machinery/meta/endpoint-slices.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { keyOf, splitKey } from '../../machinery/meta/object.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { slicesByService } from '../slices-by-service.ts';
import type { Conntrack, RuleChanges } from '../node-iptables/index.ts';
import type { ProxyBackend } from './backend.ts';
import { checkRules, explainService } from './explain-service.ts';
import type { ExplainableFamily, RuleCheck, ServiceExplanation } from './explain-service.ts';
import { FamilySync } from './family-sync.ts';
import type { ServiceWork, SyncReport } from './family-sync.ts';
import type { HealthCheckServers } from './health-check-servers.ts';
import type { AddressFamily } from './plan/address.ts';
import { computeServicePorts, NO_PORTS } from './plan/compute-service-ports.ts';
import type { ServicePorts } from './plan/compute-service-ports.ts';
import { isProxied } from './plan/is-proxied.ts';
import type { NodeModel } from './plan/model.ts';
import { endpointClaims, ServiceClaims } from './plan/service-claims.ts';
import type { ProxyHealth } from './proxy-health.ts';
import type { ProxyMetrics } from './proxy-metrics.ts';
import { ServiceProblems } from './service-problems.ts';
import { UdpFlowKeeper } from './udp-flow-keeper.ts';

/** The API server's own service. Who takes its address and port cuts the node off from the news that he gave them back. */
const API_SERVER = 'default/kubernetes';
/** One address family of the cluster. */
export interface ProxierFamily {
  readonly backend: ProxyBackend;
  /** Read at each write; call `nodeChanged()` when it gives something else. Its `family` never changes. */
  readonly node: () => NodeModel;
  /** Back ends of other modes whose rules an earlier process may have left; they are removed once ours stand. */
  readonly leftovers?: readonly ProxyBackend[];
}

export interface ProxierOptions {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  /** The primary one first; `ready()` waits for that. */
  readonly families: readonly ProxierFamily[];
  /** Absent where no rules of the kernel's forward packets. */
  readonly conntrack?: Conntrack | undefined;
  readonly ruleChanges?: RuleChanges | undefined;
  readonly healthChecks?: HealthCheckServers | undefined;
  readonly health?: ProxyHealth | undefined;
  readonly metrics?: ProxyMetrics | undefined;
  readonly events?: EventSink | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the kernel is asked whether our rules are still there, if nothing tells; default 10 s. */
  readonly driftCheckMs?: number;
  /** Told of every write. */
  readonly onSync?: (report: SyncReport) => void;
}

export class Proxier implements Component {
  readonly name = 'proxy';
  private readonly options: ProxierOptions;
  private readonly syncs: readonly FamilySync[];
  private readonly slicesOf: (service: string) => EndpointSlice[];
  private readonly claims = new ServiceClaims();
  private readonly problems: ServiceProblems;
  private readonly firstSync: Promise<void>;
  private rejectFirstSync: (error: unknown) => void = () => {};

  constructor(options: ProxierOptions) {
    this.options = options;
    this.slicesOf = slicesByService(options.endpointSlices);
    this.problems = new ServiceProblems(options.log, options.events);
    this.syncs = options.families.map(family => this.createSync(family));
    const stopped = new Promise<void>((_resolve, reject) => (this.rejectFirstSync = reject));
    this.firstSync = Promise.race([stopped, this.syncs[0]?.written ?? Promise.resolve()]);
    // Nobody may be waiting for it.
    this.firstSync.catch(() => {});
    stopped.catch(() => {});
  }

  ready(): Promise<void> {
    return this.firstSync;
  }

  /** The node's zone, addresses or the cluster's range are different now. */
  nodeChanged(): void {
    for (const sync of this.syncs) sync.touchAll();
  }

  /** Says what `source` has to say of a service, once; undefined when it is mended. */
  report(source: string, service: string, message: string | undefined): void {
    this.problems.report(source, service, this.serviceOfKey(service), message === undefined ? [] : [message]);
  }

  /** What is wanted of a service, and what the kernel has of it. @param key `namespace/name`; undefined if there is no such service */
  async explain(key: string): Promise<ServiceExplanation | undefined> {
    const service = this.serviceOfKey(key);
    return service === undefined ? undefined : explainService(key, service, this.explainable());
  }

  /** Compares what the kernel has with what all services want. */
  check(): Promise<RuleCheck> {
    const keys = this.options.services.lister.list().map(keyOf);
    return checkRules(keys, this.explainable());
  }

  /** Removes all rules. Not while it runs. */
  async cleanup(): Promise<void> {
    for (const { backend } of this.options.families) await backend.cleanup();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { services, endpointSlices, ruleChanges, healthChecks } = this.options;
    const removeHandlers = [
      services.addHandler({
        onAdd: service => this.serviceChanged(undefined, service),
        onUpdate: (before, now) => this.serviceChanged(before, now),
        onDelete: service => this.serviceChanged(service, undefined),
      }),
      endpointSlices.addHandler({
        onAdd: (slice, isInitial) => this.sliceChanged(slice, !isInitial),
        onUpdate: (before, now) => {
          if (serviceOfSlice(before) !== serviceOfSlice(now)) this.sliceChanged(before, false);
          this.sliceChanged(now, true);
        },
        onDelete: slice => this.sliceChanged(slice, false),
      }),
      ruleChanges?.onChange(() => this.syncs.forEach(sync => sync.suspect())) ?? ((): void => {}),
    ];
    try {
      await Promise.race([Promise.all([services.synced(), endpointSlices.synced()]), aborted(signal)]);
      if (!signal.aborted) await Promise.all(this.syncs.map(sync => sync.run(signal)));
    } finally {
      for (const remove of removeHandlers) remove();
      this.rejectFirstSync(signal.reason ?? new Error('the proxy stopped before its first write'));
      await healthChecks?.close();
    }
  }

  private createSync({ backend, node, leftovers }: ProxierFamily): FamilySync {
    const { conntrack, ruleChanges, clock, log, health, metrics, driftCheckMs } = this.options;
    const { family } = node();
    return new FamilySync({
      family,
      backend,
      flows: conntrack === undefined ? undefined : new UdpFlowKeeper({ family, conntrack, log }),
      services: () => this.options.services.lister.list().map(keyOf),
      workOf: key => this.workOf(key, node()),
      isWatched: () => ruleChanges?.watching === true,
      driftCheckMs,
      leftovers: leftovers ?? [],
      clock,
      log,
      onQueued: () => {
        health?.queued(family);
        metrics?.queued(family);
      },
      onSynced: report => {
        health?.synced(family);
        metrics?.synced(report, backend);
        this.tellRefused(family, backend);
        this.options.onSync?.(report);
      },
      onFailed: (_family, kind) => metrics?.failed(family, backend.name, kind),
    });
  }

  private explainable(): ExplainableFamily[] {
    return this.options.families.map(({ backend, node }, i) => ({
      family: node().family,
      backend,
      pending: () => this.syncs[i]?.pending ?? 0,
      updateOf: service => this.workOf(service, node()),
      problemsOf: service => this.problems.of(service),
    }));
  }

  private serviceChanged(before: Service | undefined, now: Service | undefined): void {
    const service = now ?? before;
    if (service === undefined) return;
    const rivals = this.claims.replace(before, now);
    for (const key of rivals) this.touch(key);
    if ((before !== undefined && isProxied(before)) || (now !== undefined && isProxied(now))) {
      this.options.metrics?.serviceChanged();
      const key = keyOf(service);
      const isBare = before === undefined && this.slicesOf(key).length === 0;
      for (const sync of this.syncs)
        if (isBare) sync.touchSoon(key);
        else sync.touch(key);
    }
  }

  /** @param isNews it happened now: how long it takes is measured */
  private sliceChanged(slice: EndpointSlice, isNews: boolean): void {
    const key = serviceOfSlice(slice);
    const sync = this.syncs.find(({ family }) => family === slice.addressType);
    if (key === API_SERVER) this.apiServerChanged();
    if (key === undefined || sync === undefined) return;
    const service = this.serviceOfKey(key);
    // A service that is not there yet is touched when it comes.
    if (service === undefined || !isProxied(service)) return;
    this.options.metrics?.endpointsChanged();
    sync.touch(key, isNews ? triggeredAtMs(slice) : undefined);
  }

  private apiServerChanged(): void {
    const claims = endpointClaims(this.slicesOf(API_SERVER));
    // One that is down comes back where it was.
    if (claims.size === 0) return;
    for (const rival of this.claims.reserve(API_SERVER, claims)) this.touch(rival);
  }

  private touch(service: string): void {
    for (const sync of this.syncs) sync.touch(service);
  }

  private workOf(key: string, node: NodeModel): ServiceWork {
    const { healthChecks, metrics } = this.options;
    const service = this.serviceOfKey(key);
    if (service === undefined) {
      this.problems.report(node.family, key, undefined, []);
      healthChecks?.set(node.family, key, undefined);
      metrics?.localEndpoints(node.family, key, []);
      return { service: key, ports: [], udp: [] };
    }
    const plan = this.plan(key, service, node);
    this.problems.report(node.family, key, service, plan.problems);
    const healthPort = plan.ports.find(port => port.externalPolicy === 'Local')?.healthCheckNodePort;
    const check = healthPort === undefined ? undefined : { port: healthPort, localEndpoints: plan.readyHere };
    healthChecks?.set(node.family, key, check);
    metrics?.localEndpoints(node.family, key, plan.ports);
    return { service: key, ports: plan.ports, udp: plan.udp };
  }

  /** An object that is not as the API server would let it be harms no other service. */
  private plan(key: string, service: Service, node: NodeModel): ServicePorts {
    try {
      return computeServicePorts(service, this.slicesOf(key), node, claim => this.claims.rivalOf(claim, key));
    } catch (error) {
      return { ...NO_PORTS, problems: [`it cannot be read: ${errorText(error)}`] };
    }
  }

  private tellRefused(family: AddressFamily, { name, refused }: ProxyBackend): void {
    const source = `${family} ${name}`;
    for (const key of this.problems.keysOf(source))
      if (!refused.has(key)) this.problems.report(source, key, this.serviceOfKey(key), []);
    for (const [key, reason] of refused) this.problems.report(source, key, this.serviceOfKey(key), [reason]);
  }

  private serviceOfKey(key: string): Service | undefined {
    const { namespace, name } = splitKey(key);
    return this.options.services.lister.get(namespace, name);
  }
}
