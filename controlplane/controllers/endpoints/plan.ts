/**
 * The Endpoints object of a service. Pure. Source: upstream `pkg/controller/endpoint/endpoints_controller.go`.
 */
import type { EndpointAddress, EndpointSubset, Endpoints, Pod, Service } from '../../../proto/api/core-v1.ts';
import { HEADLESS_LABEL } from '../../../machinery/meta/endpoint-slices.ts';
import { canonicalJson, jsonEquals } from '../../../machinery/meta/json-value.ts';
import { withTriggerTime } from '../runtime/plan/trigger-time.ts';
import { isPodReady } from '../runtime/plan/pod-state.ts';
import { addressOf, addressTypesOf, hostnameIn, isHeadless, resolvePorts } from '../runtime/plan/service-endpoints.ts';

export const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
export const MANAGER = 'endpoint-controller';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
const MAX_ADDRESSES = 1000;

/**
 * Metadata keeps what others wrote there.
 * @param old the object as it stands
 * @param triggeredAtMs when what this answers to happened
 * @returns undefined if the object is as it should be
 */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  old: Endpoints | undefined,
  triggeredAtMs: number | undefined,
): Endpoints | undefined {
  const { subsets, truncated } = subsetsOf(service, pods);
  const { namespace, name } = service.metadata;
  const labels: Record<string, string> = { ...service.metadata.labels, [MANAGED_BY]: MANAGER };
  if (isHeadless(service)) labels[HEADLESS_LABEL] = '';
  const annotations = { ...old?.metadata.annotations };
  delete annotations[OVER_CAPACITY];
  if (truncated) annotations[OVER_CAPACITY] = 'truncated';
  const metadata = { ...old?.metadata, namespace, name, labels };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  else delete metadata.annotations;
  const endpoints: Endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata };
  if (subsets.length > 0) endpoints.subsets = subsets;
  const isSame = jsonEquals(old?.subsets ?? [], subsets) && jsonEquals(old?.metadata, metadata);
  if (old !== undefined && isSame) return undefined;
  return { ...endpoints, metadata: withTriggerTime(metadata, triggeredAtMs) };
}

interface Subset extends EndpointSubset {
  addresses: EndpointAddress[];
  notReadyAddresses: EndpointAddress[];
}

function subsetsOf(service: Service, pods: readonly Pod[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const type = addressTypesOf(service)[0] ?? 'IPv4';
  const tolerant = service.spec?.publishNotReadyAddresses === true;
  const byPorts = new Map<string, Subset>();
  const ordered = [...pods].sort((a, b) => ((a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1));
  for (const pod of ordered) {
    const ip = addressOf(pod, type);
    if (ip === undefined || (pod.metadata.deletionTimestamp !== undefined && !tolerant)) continue;
    const ports = resolvePorts(service, pod).map(port => (port.name === '' ? { ...port, name: undefined } : port));
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue;
    const key = canonicalJson(ports);
    let subset = byPorts.get(key);
    if (subset === undefined) byPorts.set(key, (subset = { addresses: [], notReadyAddresses: [], ports }));
    const list = tolerant || isPodReady(pod) ? subset.addresses : subset.notReadyAddresses;
    list.push(toAddress(service, pod, ip));
  }
  const all = [...byPorts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset);
  const truncated = truncate(all);
  const full = all.filter(({ addresses, notReadyAddresses }) => addresses.length + notReadyAddresses.length > 0);
  return { subsets: full.map(withoutEmpty), truncated };
}

function toAddress(service: Service, pod: Pod, ip: string): EndpointAddress {
  const hostname = hostnameIn(service, pod);
  const nodeName = pod.spec?.nodeName;
  const { namespace, name, uid } = pod.metadata;
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

/** Leaves out what is too much: first of those that are not ready; of each set of ports its share. @returns whether anything was */
function truncate(subsets: readonly Subset[]): boolean {
  const count = (of: 'addresses' | 'notReadyAddresses'): number => subsets.reduce((sum, s) => sum + s[of].length, 0);
  const [ready, notReady] = [count('addresses'), count('notReadyAddresses')];
  if (ready + notReady <= MAX_ADDRESSES) return false;
  const cut = ready > MAX_ADDRESSES ? 'addresses' : 'notReadyAddresses';
  const [total, room] = cut === 'addresses' ? [ready, MAX_ADDRESSES] : [notReady, MAX_ADDRESSES - ready];
  let left = room;
  for (const subset of subsets) {
    const share = Math.min(left, Math.ceil((subset[cut].length / total) * room));
    subset[cut] = subset[cut].slice(0, share);
    left -= subset[cut].length;
    if (cut === 'addresses') subset.notReadyAddresses = [];
  }
  return true;
}

function withoutEmpty(subset: EndpointSubset): EndpointSubset {
  const full = Object.entries(subset).filter(([, list]) => Array.isArray(list) && list.length > 0);
  return Object.fromEntries(full) as EndpointSubset;
}
