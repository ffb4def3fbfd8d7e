/** Puts the proxy together: a back end for each of the cluster's address families, what it tells, and what another mode may have left. */
import type { Client } from '../../machinery/client/client.ts';
import { EventRecorder } from '../../machinery/client/event-recorder.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import { silentLogger, type Logger } from '../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { processMetrics } from '../../machinery/process/process-metrics.ts';
import { Conntrack, Iptables, RuleEvents } from '../../agent/node-iptables/index.ts';
import { Links } from '../../agent/host/links.ts';
import type { Sysctls } from '../../agent/host/sysctl.ts';
import type { ProxyBackend } from '../../agent/proxy/backend.ts';
import { HealthCheckServers } from '../../agent/proxy/health-check-servers.ts';
import { IptablesBackend } from '../../agent/proxy/iptables-backend.ts';
import { NftablesBackend } from '../../agent/proxy/nftables-backend.ts';
import { NodeView } from '../../agent/proxy/node-view.ts';
import type { AddressFamily } from '../../agent/proxy/plan/address.ts';
import type { NodeModel } from '../../agent/proxy/plan/model.ts';
import { Proxier } from '../../agent/proxy/proxier.ts';
import { ProxyHealth } from '../../agent/proxy/proxy-health.ts';
import { ProxyMetrics } from '../../agent/proxy/proxy-metrics.ts';
import { ProxyServer } from '../../agent/proxy/proxy-server.ts';
import { UserspaceBackend } from '../../agent/proxy/userspace/userspace-backend.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { Node, Service } from '../../proto/api/core-v1.ts';
import { familyOf } from '../network-ranges.ts';
import { nodeNameOf, type Config } from '../config.ts';
import type { ClusterSettings } from '../cluster-objects.ts';
import { QuestionError, type Questions } from '../control-socket.ts';
import { socketOf } from '../socket-address.ts';
import {
  familyWord,
  filterNameOf,
  filtersInUse,
  isOfNoFilter,
  variantOf,
  type PacketFilterParts,
} from './packet-filter.ts';
import { running, stoppedLast } from './running.ts';

const ADDRESSES_MS = 30_000;

export interface ProxyOptions {
  readonly config: Config;
  readonly cluster: ClusterSettings;
  readonly filter: PacketFilterParts;
  /** Who the proxy is to the API server. */
  readonly client: Client;
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  /** Service addresses that the node answers itself; see `localServiceIPsChanged`. */
  readonly localServiceIPs: () => readonly string[];
  readonly links: Links;
  readonly sysctls: Pick<Sysctls, 'set'>;
  readonly log: Logger;
}

export interface ProxyParts {
  readonly proxier: Proxier;
  /** What runs beside it. */
  readonly components: readonly Component[];
  /** The node answers other service addresses now. */
  readonly localServiceIPsChanged: () => void;
  /** Tells others too when somebody changes rules. */
  readonly ruleEvents: RuleEvents;
}

export function createProxy(options: ProxyOptions): ProxyParts {
  const { config, cluster, filter, client, services, endpointSlices, nodes, log } = options;
  const clock = systemClock;
  const nodeName = nodeNameOf(config);
  const ranges = new Map(cluster.clusterCidrs.map(range => [familyOf(range), range]));
  const views = cluster.serviceCidrs.map(
    range =>
      new NodeView({
        nodes,
        nodeName,
        family: familyOf(range),
        clusterCIDR: ranges.get(familyOf(range)),
        localServiceIPs: options.localServiceIPs,
        nodePortAddresses: config.nodeportAddresses,
        masqueradeBit: config.proxyMasqueradeBit,
        localhostNodePorts: config.proxyLocalhostNodeports,
      }),
  );
  const registry = new MetricsRegistry();
  processMetrics(registry);
  const metrics = new ProxyMetrics(registry, clock);
  const health = new ProxyHealth({ clock, node: () => nodes.lister.get(undefined, nodeName) });
  const events = new EventRecorder({ client, clock, logger: log, component: 'kube-proxy', host: nodeName });
  const ruleEvents = new RuleEvents({ quietFamily: views.every(v => v.current().family === 'IPv6') ? 'ipv4' : 'ipv6' });
  const healthChecks = new HealthCheckServers({
    isKeepingUp: () => health.isKeepingUp(),
    addresses: () => addressesOf(views),
    clock,
    onProblem: (service, message) => proxier.report('health check', service, message),
  });
  const proxier: Proxier = new Proxier({
    services,
    endpointSlices,
    families: views.map(view => {
      const { family } = view.current();
      const node = (): NodeModel => view.current();
      return { backend: backendOf(options, family, node), node, leftovers: leftoversOf(filter, family, log) };
    }),
    conntrack: filter.mode === 'userspace' ? undefined : new Conntrack(),
    ruleChanges: filter.mode === 'userspace' ? undefined : ruleEvents,
    healthChecks,
    health,
    metrics,
    events,
    clock,
    log,
  });
  for (const view of views) {
    view.follow(() => {
      proxier.nodeChanged();
      void healthChecks.listenAnew();
    });
  }
  // Nothing tells of addresses that come later, such as those that several nodes take turns with.
  const hasRanges = (config.nodeportAddresses ?? []).some(range => range !== 'primary');
  const lookingAgain = running('node-addresses', async signal => {
    while (!signal.aborted) {
      await clock.sleep(ADDRESSES_MS, signal).catch(() => undefined);
      for (const view of views) view.look();
    }
  });
  const server = new ProxyServer({
    metricsSocket: socketOf(config.proxyMetricsBindAddress),
    healthSocket: socketOf(config.proxyHealthzBindAddress),
    mode: filter.mode,
    registry,
    metrics,
    health,
    clock,
    log,
  });
  const watching = running('rule-events', signal => ruleEvents.run(signal));
  return {
    proxier,
    components: [
      stoppedLast('proxy-events', () => events.stop()),
      server,
      ...(filter.packetFilter === 'none' ? [] : [watching]),
      ...(hasRanges ? [lookingAgain] : []),
    ],
    localServiceIPsChanged: () => views.forEach(view => view.look()),
    ruleEvents,
  };
}

/** `k8ts proxy explain`, `k8ts proxy check`. */
export function answerProxyQuestions(questions: Questions, proxier: Proxier): void {
  questions.set('proxy/check', () => proxier.check());
  questions.set('proxy/explain', async parameters => {
    const service = parameters.get('service') ?? '';
    const explanation = await proxier.explain(service);
    if (explanation === undefined) throw new QuestionError(`there is no Service ${service}`);
    return explanation;
  });
}

/** Removes the rules of every mode, variant and family, whoever wrote them. @returns what there was, in words */
export async function removeServiceRules(): Promise<string[]> {
  const removed: string[] = [];
  for (const family of ['IPv4', 'IPv6'] as const) {
    for (const { backend, name } of everyBackend(family, silentLogger)) {
      try {
        if (await backend.cleanup()) removed.push(`${family} service rules of ${name}`);
      } catch (error) {
        if (!isOfNoFilter(error)) throw error;
      }
    }
  }
  return removed;
}

function backendOf(
  { filter, cluster, links, sysctls, log }: ProxyOptions,
  family: AddressFamily,
  node: () => NodeModel,
): ProxyBackend {
  switch (filter.mode) {
    case 'iptables':
      return new IptablesBackend({ iptables: filter.iptables[family], node, log });
    case 'nftables':
      return new NftablesBackend({ family, node, log });
    case 'userspace': {
      const serviceCIDR = cluster.serviceCidrs.find(range => familyOf(range) === family) ?? nowhere(family);
      return new UserspaceBackend({ family, node, serviceCIDR, links, sysctls });
    }
  }
}

/** Those of other modes and variants than the one that is chosen. */
function leftoversOf(filter: PacketFilterParts, family: AddressFamily, log: Logger): ProxyBackend[] {
  const used = filter.mode === 'userspace' ? 'userspace' : filterNameOf(filter);
  return everyBackend(family, log)
    .filter(({ name }) => name !== used)
    .map(({ backend }) => backend);
}

/** Each only to clean up. */
function everyBackend(family: AddressFamily, log: Logger): { name: string; backend: ProxyBackend }[] {
  const node = (): NodeModel => ({
    nodeName: '',
    family,
    localServiceIPs: new Set(),
    localhostNodePorts: false,
    nodePortAddresses: 'all',
    masqueradeBit: 14,
  });
  const rules = filtersInUse([family]).map(name => {
    const variant = variantOf(name);
    if (variant === undefined) return { name, backend: new NftablesBackend({ family, node, log }) };
    const iptables = new Iptables({ family: familyWord(family), variant });
    return { name, backend: new IptablesBackend({ iptables, node, log }) };
  });
  const userspace = {
    name: 'userspace',
    backend: new UserspaceBackend({
      family,
      node,
      serviceCIDR: nowhere(family),
      links: new Links(),
      sysctls: { set: () => Promise.resolve('absent') },
    }),
  };
  return [...rules, userspace];
}

/** A range of no address that a service could have. */
function nowhere(family: AddressFamily): string {
  return family === 'IPv4' ? '0.0.0.0/32' : '::/128';
}

/** Where node ports answer, in all families. */
function addressesOf(views: readonly NodeView[]): 'all' | readonly string[] {
  const each = views.map(view => view.current().nodePortAddresses);
  return each.includes('all') ? 'all' : each.flatMap(addresses => (addresses === 'all' ? [] : addresses));
}
