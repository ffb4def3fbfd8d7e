/**
 * A pod's resolv.conf for every dnsPolicy, and dnsConfig on top of it.
 * Source: kubernetes.io/docs, "DNS for Services and Pods"; `pkg/kubelet/network/dns/dns.go` 1.36.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';

/** The lines of a resolv.conf. */
export interface DnsSettings {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** What the node knows. */
export interface ClusterDns {
  /** Addresses of the cluster's DNS; empty: the cluster has none. */
  readonly servers: readonly string[];
  /** For example `cluster.local`. */
  readonly domain: string;
}

export const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;

/** What came out, and what had to be left out of it (one sentence each, for an event). */
export interface PodDns {
  readonly settings: DnsSettings;
  readonly warnings: readonly string[];
}

/** @param host of the node's own resolv.conf */
export function podDns(pod: Pod, cluster: ClusterDns, host: DnsSettings): PodDns {
  const { spec, metadata } = pod;
  const policy = spec.dnsPolicy ?? 'ClusterFirst';
  const warnings: string[] = [];
  let base: DnsSettings;
  if (policy === 'None') {
    base = { servers: [], searches: [], options: [] };
  } else if (policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && spec.hostNetwork !== true)) {
    if (cluster.servers.length > 0) {
      const suffixes = ['svc.' + cluster.domain, cluster.domain];
      const searches = cluster.domain === '' ? [] : [`${metadata.namespace ?? ''}.${suffixes[0]}`, ...suffixes];
      base = { servers: cluster.servers, searches: unique([...searches, ...host.searches]), options: ['ndots:5'] };
    } else {
      base = host;
      warnings.push(
        `kubelet does not have ClusterDNS IP configured and cannot create Pod using "${policy}" policy. Falling back to "Default" policy.`,
      );
    }
  } else {
    base = host;
  }
  const extra = spec.dnsConfig;
  const servers = unique([...base.servers, ...(extra?.nameservers ?? [])]);
  const searches = unique([...base.searches, ...(extra?.searches ?? [])]);
  const options = mergeOptions(base.options, extra?.options ?? []);
  const kept = fitSearches(searches);
  if (servers.length > MAX_NAMESERVERS) {
    warnings.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.slice(0, MAX_NAMESERVERS).join(' ')}`,
    );
  }
  if (kept.length < searches.length) {
    warnings.push(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${kept.join(' ')}`,
    );
  }
  return { settings: { servers: servers.slice(0, MAX_NAMESERVERS), searches: kept, options }, warnings };
}

function mergeOptions(
  base: readonly string[],
  extra: readonly { name?: string | undefined; value?: string | undefined }[],
): string[] {
  const byName = new Map(base.map(option => [option.split(':')[0] ?? option, option]));
  for (const { name, value } of extra) {
    if (name === undefined) continue;
    byName.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return [...byName.values()];
}

function fitSearches(searches: readonly string[]): string[] {
  const kept: string[] = [];
  let chars = 0;
  for (const search of searches.slice(0, MAX_SEARCHES)) {
    chars += search.length + (kept.length > 0 ? 1 : 0);
    if (chars > MAX_SEARCH_CHARS) break;
    kept.push(search);
  }
  return kept;
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

/** Reads a resolv.conf; what is no server, search or option is left out, as the C library does. */
export function parseResolvConf(text: string): DnsSettings {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...rest] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && rest[0] !== undefined) servers.push(rest[0]);
    else if (keyword === 'search') searches = rest.map(s => (s === '.' ? s : s.replace(/\.$/, '')));
    else if (keyword === 'domain' && searches.length === 0 && rest[0] !== undefined) searches = [rest[0]];
    else if (keyword === 'options') options = [...options, ...rest];
  }
  return { servers, searches, options };
}
