/**
 * Answers questions about the cluster's zone. Pure: the same records give the same answer. Nothing is kept: records are made from the
 * objects when somebody asks for them.
 *
 * Source: the Kubernetes DNS-based service discovery specification, version 1.1.0. A headless service without ready endpoints
 * does not exist (NXDOMAIN); a name without records of the type asked for has no data (NOERROR and SOA).
 */
import type { Service, ServicePort } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { addressOfDashes, addressOfReverseName, dashesOf, isInCidr } from './reverse-name.ts';
import type { Question, ZoneAnswer, ZoneRecord } from './zone-records.ts';

/** Where the objects are. Answers are read-only. */
export interface ClusterRecords {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  hasNamespace(namespace: string): boolean;
  /** The service with that cluster IP; IPv6 in full length. */
  serviceByIP(ip: string): Service | undefined;
  /** Slices of headless services that hold that address. */
  headlessSlicesByIP(ip: string): readonly EndpointSlice[];
}

export interface ZoneOptions {
  /** `cluster.local` */
  readonly domain: string;
  readonly ttlSeconds: number;
  /** Where this server answers; the address of the zone's name server. */
  readonly serverIPs: readonly string[];
  /** Ranges of pods and services: reverse names in them are never asked upstream. */
  readonly ownCIDRs: readonly string[];
}

const VERSION = '1.1.0';

/** One endpoint by the name it has in DNS. */
interface NamedEndpoint {
  readonly hostname: string;
  readonly ip: string;
  readonly slice: EndpointSlice;
}

export function answerQuestion(question: Question, records: ClusterRecords, options: ZoneOptions): ZoneAnswer {
  const { domain, ttlSeconds } = options;
  const name = question.name.toLowerCase();
  if (name.endsWith('.arpa')) return answerReverse();
  if (name !== domain && !name.endsWith(`.${domain}`)) return { kind: 'forward' };
  const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split('.');
  const last = labels.at(-1);
  if (last === 'svc') return answerService(labels.slice(0, -1));
  if (last === 'pod') return answerPod(labels.slice(0, -1));
  if (labels.length === 0)
    return question.type === 'SOA' ? found([soa()]) : question.type === 'NS' ? found([nameServer()]) : noData();
  if (name === `dns-version.${domain}`) return ofType([record('TXT', VERSION)]);
  if (name === `ns.dns.${domain}`) return ofType(options.serverIPs.map(ip => address(ip)));
  return name === `dns.${domain}` ? noData() : noName();

  function answerService(path: readonly string[]): ZoneAnswer {
    const [namespace, serviceName, ...rest] = [...path].reverse();
    if (namespace === undefined) return noData();
    if (serviceName === undefined) return records.hasNamespace(namespace) ? noData() : noName();
    const service = records.service(namespace, serviceName);
    if (service === undefined) return noName();
    const fullName = `${serviceName}.${namespace}.svc.${domain}`;
    if (service.spec.type === 'ExternalName') return rest.length === 0 ? answerAlias(service) : noName();

    const endpoints = namedEndpoints(records.slices(namespace, serviceName));
    const isHeadless = service.spec.clusterIP === 'None';
    if (isHeadless && endpoints.length === 0) return noName();
    if (rest.length === 0) {
      if (question.type === 'SRV') return answerSrv(service, fullName, endpoints, undefined, undefined);
      return ofType(addressesOf(service, endpoints).map(ip => address(ip)));
    }
    if (rest.length === 1) {
      const named = endpoints.filter(endpoint => endpoint.hostname === rest[0]);
      return named.length === 0 ? noName() : ofType(unique(named.map(e => e.ip)).map(ip => address(ip)));
    }
    const [protocol = '', port = ''] = rest;
    if (rest.length !== 2 || !protocol.startsWith('_') || !port.startsWith('_')) return noName();
    return answerSrv(service, fullName, endpoints, port.slice(1), protocol.slice(1));
  }

  function answerAlias(service: Service): ZoneAnswer {
    const target = (service.spec.externalName ?? '').replace(/\.$/, '');
    if (target === '') return noName();
    const alias = record('CNAME', target);
    return question.type === 'A' || question.type === 'AAAA'
      ? { kind: 'alias', record: alias, target }
      : ofType([alias]);
  }

  function answerSrv(
    service: Service,
    fullName: string,
    endpoints: readonly NamedEndpoint[],
    portName: string | undefined,
    protocol: string | undefined,
  ): ZoneAnswer {
    const isWanted = (port: { name?: string | undefined; protocol?: string | undefined }): boolean =>
      (portName === undefined || (port.name ?? '') === portName) &&
      (protocol === undefined || (port.protocol ?? 'TCP').toLowerCase() === protocol);
    const targets: { port: number; target: string; ip: string }[] = [];
    if (service.spec.clusterIP === 'None') {
      for (const { hostname, ip, slice } of endpoints) {
        for (const port of (slice.ports ?? []).filter(isWanted)) {
          if (port.port !== undefined) targets.push({ port: port.port, target: `${hostname}.${fullName}`, ip });
        }
      }
    } else {
      const ips = addressesOf(service, []);
      for (const port of (service.spec.ports ?? []).filter((p: ServicePort) => (p.name ?? '') !== '' && isWanted(p))) {
        for (const ip of ips) targets.push({ port: port.port, target: fullName, ip });
      }
    }
    if (targets.length === 0) return portName === undefined ? noData() : noName();
    if (question.type !== 'SRV') return noData();
    const pairs = new Map(targets.map(t => [`${t.target} ${t.port}`, t]));
    const weight = Math.max(1, Math.floor(100 / pairs.size));
    const additionals = new Map(targets.map(t => [`${t.target} ${t.ip}`, address(t.ip, t.target)]));
    return {
      kind: 'answer',
      rcode: 'NOERROR',
      answers: [...pairs.values()].map(({ port, target }) => ({
        type: 'SRV',
        name: question.name,
        ttl: ttlSeconds,
        class: 'IN',
        data: { priority: 0, weight, port, target },
      })),
      additionals: [...additionals.values()],
      authorities: [],
    };
  }

  function answerPod(path: readonly string[]): ZoneAnswer {
    const [namespace, dashes, ...rest] = [...path].reverse();
    if (namespace === undefined) return noData();
    if (rest.length > 0) return noName();
    if (dashes === undefined) return records.hasNamespace(namespace) ? noData() : noName();
    const ip = addressOfDashes(dashes);
    return ip === undefined ? noName() : ofType([address(ip)]);
  }

  function answerReverse(): ZoneAnswer {
    const ip = addressOfReverseName(name);
    if (ip === undefined) return { kind: 'forward' };
    const service = records.serviceByIP(ip);
    if (service !== undefined)
      return ofType([record('PTR', `${service.metadata.name}.${service.metadata.namespace}.svc.${domain}`)]);
    const names = records.headlessSlicesByIP(ip).flatMap(slice => {
      const of = slice.metadata.labels?.['kubernetes.io/service-name'];
      return namedEndpoints([slice])
        .filter(endpoint => endpoint.ip === ip)
        .map(endpoint => `${endpoint.hostname}.${of}.${slice.metadata.namespace}.svc.${domain}`);
    });
    if (names.length > 0) return ofType(unique(names).map(target => record('PTR', target)));
    return options.ownCIDRs.some(cidr => isInCidr(ip, cidr)) ? noName() : { kind: 'forward' };
  }

  /** What of these is of the type asked for; all of them are of the name. */
  function ofType(all: readonly ZoneRecord[]): ZoneAnswer {
    const matching = all.filter(r => r.type === question.type || question.type === 'ANY');
    return matching.length === 0 ? noData() : found(matching);
  }

  function found(answers: readonly ZoneRecord[]): ZoneAnswer {
    return { kind: 'answer', rcode: 'NOERROR', answers, additionals: [], authorities: [] };
  }

  function noData(): ZoneAnswer {
    return { kind: 'answer', rcode: 'NOERROR', answers: [], additionals: [], authorities: [soa()] };
  }

  function noName(): ZoneAnswer {
    return { kind: 'answer', rcode: 'NXDOMAIN', answers: [], additionals: [], authorities: [soa()] };
  }

  function address(ip: string, of = question.name): ZoneRecord {
    return { type: ip.includes(':') ? 'AAAA' : 'A', name: of, ttl: ttlSeconds, class: 'IN', data: ip };
  }

  function record(type: 'CNAME' | 'PTR' | 'TXT', data: string): ZoneRecord {
    return { type, name: question.name, ttl: ttlSeconds, class: 'IN', data };
  }

  function nameServer(): ZoneRecord {
    return { type: 'NS', name: domain, ttl: ttlSeconds, class: 'IN', data: `ns.dns.${domain}` };
  }

  function soa(): ZoneRecord {
    const data = {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttlSeconds,
    };
    return { type: 'SOA', name: domain, ttl: ttlSeconds, class: 'IN', data };
  }
}

function addressesOf(service: Service, endpoints: readonly NamedEndpoint[]): string[] {
  const { clusterIP, clusterIPs } = service.spec;
  if (clusterIP === 'None') return unique(endpoints.map(endpoint => endpoint.ip));
  return (clusterIPs ?? [clusterIP ?? '']).filter(ip => ip !== '');
}

/** Endpoints that are ready (or whose service publishes them anyway: then their slice says ready). */
function namedEndpoints(slices: readonly EndpointSlice[]): NamedEndpoint[] {
  const named: NamedEndpoint[] = [];
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const ip of endpoint.addresses) named.push({ hostname: hostnameOf(endpoint, ip), ip, slice });
    }
  }
  return named;
}

function hostnameOf(endpoint: Endpoint, ip: string): string {
  return endpoint.hostname === undefined || endpoint.hostname === '' ? dashesOf(ip) : endpoint.hostname.toLowerCase();
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
