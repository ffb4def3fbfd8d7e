/**
 * nodes/proxy, pods/proxy and services/proxy: any HTTP request passed through to a kubelet, a pod or one of a service's endpoints.
 * Names may say scheme and port: `https:name:port`.
 */
import { isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { badRequest, serviceUnavailable } from '../../../machinery/meta/status-error.ts';
import type { Node, Pod, Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import type { Subresource } from '../registry/resource-set.ts';
import type { Exchange } from '../server/exchange.ts';
import { header, type Response } from '../server/request.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { kubeletAddress } from './kubelet-address.ts';
import type { KubeletClient } from './pod-connect.ts';
import { proxyRequest, type Target } from './proxy-request.ts';
import { rewriteAnswer } from './rewrite-answer.ts';

export interface ProxyOptions {
  readonly nodes: ResourceStorage<Node>;
  readonly pods: ResourceStorage<Pod>;
  readonly services: ResourceStorage<Service>;
  readonly endpointSlices: ResourceStorage<EndpointSlice>;
  readonly kubelet: KubeletClient | undefined;
}

const NOT_PROXIED = new Set(['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback']);

interface Named {
  readonly scheme: 'http' | 'https' | '';
  readonly name: string;
  readonly port: string;
}

export function proxySubresource(options: ProxyOptions, of: 'nodes' | 'pods' | 'services'): Subresource {
  const kind = of === 'nodes' ? 'NodeProxyOptions' : of === 'pods' ? 'PodProxyOptions' : 'ServiceProxyOptions';
  const proxy = of === 'nodes' ? toNode : of === 'pods' ? toPod : toService;
  return {
    name: 'proxy',
    kind,
    verbs: ['*'],
    handle: exchange => proxy(options, exchange, splitName(exchange.info.name)),
  };
}

/**
 * Whoever writes a status or an endpoint must not come to speak to this machine or its link through the server.
 * Source: apiserver `pkg/util/proxy`, IsProxyableIP.
 */
function allowed(host: string): string {
  const range = isIP(host) === 0 ? undefined : ipaddr.process(host).range();
  if (range === undefined || NOT_PROXIED.has(range)) throw badRequest('address not allowed');
  return host;
}

function portOf(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw badRequest(`invalid port ${JSON.stringify(text)}: must be between 1 and 65535`);
  return port;
}

function splitName(text: string): Named {
  const parts = text.split(':');
  if (parts.length === 1) return { scheme: '', name: text, port: '' };
  if (parts.length === 2) return { scheme: '', name: parts[0] ?? '', port: parts[1] ?? '' };
  const [scheme = '', name = '', port = ''] = parts;
  if (parts.length > 3 || (scheme !== '' && scheme !== 'http' && scheme !== 'https'))
    throw badRequest(`invalid proxy name ${JSON.stringify(text)}`);
  return { scheme, name, port };
}

/** The path up to `/proxy`, and what stands behind it. */
function splitPath({ request, info }: Exchange): { prefix: string; rest: string } {
  // /api/v1/nodes/NAME/proxy, /api/v1/namespaces/NAMESPACE/pods/NAME/proxy
  const prefix = request.path
    .split('/')
    .slice(0, info.namespace === '' ? 6 : 8)
    .join('/');
  return { prefix, rest: request.path.slice(prefix.length) };
}

/** Browsers find their way: redirects and links of HTML lead through the proxy again. */
async function proxyThrough(exchange: Exchange, target: Omit<Target, 'path'>): Promise<Response> {
  const { request } = exchange;
  const { prefix, rest } = splitPath(exchange);
  const query = request.rawQuery === '' ? '' : `?${request.rawQuery}`;
  // Relative links need the slash.
  if (rest === '' && request.upgrade === undefined) {
    const headers = { location: `${prefix}/${query}` };
    return { kind: 'bytes', status: 301, contentType: 'text/plain', headers, body: '' };
  }
  const answer = await proxyRequest(request, { ...target, path: `${rest === '' ? '/' : rest}${query}` });
  const host = header(request, 'host') ?? header(request, ':authority');
  const rewrite = { prefix, host, backend: hostHeader(target) };
  return rewriteAnswer(answer, rewrite, request.method !== 'HEAD');
}

function hostHeader({ scheme, host, port }: Omit<Target, 'path'>): string {
  const name = isIPv6(host) ? `[${host}]` : host;
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}

async function toNode({ nodes, kubelet }: ProxyOptions, exchange: Exchange, { name, port }: Named): Promise<Response> {
  const address = await kubeletAddress(nodes, name);
  const target = { host: allowed(address.host), port: port === '' ? address.port : portOf(port) };
  return proxyThrough(exchange, {
    scheme: 'https',
    ...target,
    cert: kubelet?.cert,
    key: kubelet?.key,
    ca: kubelet?.ca,
  });
}

async function toPod({ pods }: ProxyOptions, exchange: Exchange, { scheme, name, port }: Named): Promise<Response> {
  const { object: pod } = await pods.get(exchange.info.namespace, name);
  const host = allowed(pod.status?.podIP ?? '');
  const first = (pod.spec?.containers ?? []).flatMap(c => c.ports ?? [])[0]?.containerPort;
  const chosen = port === '' ? (first ?? 80) : portOf(port);
  return proxyThrough(exchange, {
    scheme: scheme === '' ? 'http' : scheme,
    host,
    port: chosen,
  });
}

async function toService(
  { services, endpointSlices }: ProxyOptions,
  exchange: Exchange,
  { scheme, name, port }: Named,
): Promise<Response> {
  const { namespace } = exchange.info;
  const { object: service } = await services.get(namespace, name);
  const ports = service.spec?.ports ?? [];
  const wanted =
    port === '' && ports.length === 1 ? ports[0] : ports.find(p => p.name === port || String(p.port) === port);
  const none = (): never => {
    throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(exchange.info.name)}`);
  };
  if (wanted === undefined)
    throw serviceUnavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const predicate = (slice: EndpointSlice): boolean => slice.metadata.labels?.['kubernetes.io/service-name'] === name;
  const { items } = await endpointSlices.list({ namespace, predicate });
  const candidates = items.flatMap(({ object }) => {
    const found = (object.ports ?? []).find(p => (p.name ?? '') === (wanted.name ?? ''))?.port;
    if (found === undefined) return [];
    return (object.endpoints ?? [])
      .filter(e => e.conditions?.ready !== false)
      .flatMap(e => e.addresses.map(host => ({ host, port: found })));
  });
  const chosen = candidates[Math.floor(Math.random() * candidates.length)] ?? none();
  return proxyThrough(exchange, {
    scheme: scheme === '' ? 'http' : scheme,
    host: allowed(chosen.host),
    port: chosen.port,
  });
}
