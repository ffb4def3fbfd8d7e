/** Puts cluster DNS together: who answers at its addresses, whom it asks, and what it tells. */
import { DnsHandover } from '../../agent/dns/dns-handover.ts';
import { DNS_CONFIG, followDnsConfig } from '../../agent/dns/dns-config.ts';
import { DnsHttp } from '../../agent/dns/dns-http.ts';
import { DnsMetrics } from '../../agent/dns/dns-metrics.ts';
import { DnsServer } from '../../agent/dns/dns-server.ts';
import { Forwarder } from '../../agent/dns/forwarder.ts';
import { ListerRecords } from '../../agent/dns/lister-records.ts';
import { RecordKeeper } from '../../agent/dns/record-keeper.ts';
import type { ListenAddress } from '../../agent/dns/udp-listener.ts';
import type { InformerFactory } from '../../machinery/client/informer.ts';
import { configMaps, endpointSlices, namespaces, services } from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { ClusterSettings } from '../cluster-objects.ts';
import { socketOf } from '../socket-address.ts';

export interface DnsOptions {
  readonly cluster: ClusterSettings;
  readonly informers: InformerFactory;
  /** `address:port` or `none`. */
  readonly metricsSocket: string;
  /** Whether rules can send packets elsewhere although the node holds the address. */
  readonly hasRules: boolean;
  /** Where what is known is kept. */
  readonly recordsFile: string;
  readonly log: Logger;
}

export interface DnsParts {
  /** Undefined if others answer from the start. */
  readonly server: DnsServer | undefined;
  readonly components: readonly Component[];
  /** The addresses that the node holds. */
  readonly held: readonly string[];
  /** Those of them that it answers itself now: the proxy leaves them alone. */
  readonly answeredHere: () => readonly string[];
  /** Calls `changed` when these become others. */
  readonly follow: (changed: () => void) => void;
}

const TTL_SECONDS = 5;
const PORT = 53;
const METRICS_PORT = 9153;

export function createDns({ cluster, informers, metricsSocket, hasRules, recordsFile, log }: DnsOptions): DnsParts {
  const { clusterDns: addresses, clusterDnsMode: mode } = cluster;
  if (mode === 'external')
    return { server: undefined, components: [], held: [], answeredHere: () => [], follow: () => undefined };
  const clock = systemClock;
  const registry = new MetricsRegistry();
  const metrics = new DnsMetrics(registry);
  const records = new ListerRecords({
    services: informers.informer(services),
    endpointSlices: informers.informer(endpointSlices),
    namespaces: informers.informer(namespaces),
  });
  const forwarder = new Forwarder({
    resolvConf: '/etc/resolv.conf',
    ownAddresses: addresses,
    clock,
    log,
    metrics,
  });
  const configuration = informers.informer(configMaps, {
    namespace: DNS_CONFIG.namespace,
    fieldSelector: `metadata.name=${DNS_CONFIG.name}`,
  });
  followDnsConfig({ configMaps: configuration, ownAddresses: addresses, log }, rules => forwarder.setRules(rules));
  const server = new DnsServer({
    listen: addresses.map(address => ({ address, port: PORT })),
    zone: {
      domain: cluster.clusterDomain.toLowerCase(),
      ttlSeconds: TTL_SECONDS,
      serverIPs: addresses,
      ownCIDRs: [...cluster.clusterCidrs, ...cluster.serviceCidrs],
    },
    records,
    keeper: new RecordKeeper({ path: recordsFile, records, clock, log }),
    forwarder,
    metrics,
    clock,
    log,
  });
  const http = new DnsHttp({ listen: httpAddresses(addresses, metricsSocket), server, registry, log });
  const handover = new DnsHandover({ addresses, records, log });
  const mayHandOver = mode === 'auto' && hasRules;
  return {
    server,
    components: [http],
    held: addresses,
    answeredHere: () => (mayHandOver ? handover.answeredHere() : addresses),
    follow: changed => void (mayHandOver && handover.follow(changed)),
  };
}

/** Where pods ask, and where the flag says; an address of all is enough by itself. */
function httpAddresses(addresses: readonly string[], socket: string): ListenAddress[] {
  const flag = socketOf(socket);
  const also = flag === undefined ? [] : [{ address: flag.host, port: flag.port }];
  const isAll = flag?.port === METRICS_PORT && ['0.0.0.0', '::'].includes(flag.host);
  return isAll ? also : [...addresses.map(address => ({ address, port: METRICS_PORT })), ...also];
}
