/**
 * What is said of a pod that goes. The words are upstream's: people and tools search for them.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/helpers.go`, evictionMessage.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { Quantity, tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { ContainerUsage, PodUsage } from './pod-usage.ts';
import type { Observations } from './pressure.ts';
import { countOf, SIGNALS, type StarvedResource, type Threshold } from './thresholds.ts';

export const EVICTED = 'Evicted';

export interface EvictionNotice {
  readonly message: string;
  /** Of the event. */
  readonly annotations: Readonly<Record<string, string>>;
}

export function evictionNotice(
  pod: Pod,
  usage: PodUsage | undefined,
  threshold: Threshold,
  observations: Observations,
): EvictionNotice {
  const { resource } = SIGNALS[threshold.signal];
  const seen = observations.get(threshold.signal);
  let message = `The node was low on resource: ${resource}. `;
  if (seen !== undefined) {
    const wanted = amount(countOf(threshold.amount, seen.capacity), resource);
    message += `Threshold quantity: ${wanted}, available: ${amount(seen.available, resource)}. `;
  }
  const annotations: Record<string, string> = {};
  const podRequest = resource === 'memory' ? pod.spec.resources?.requests?.['memory'] : undefined;
  if (usage !== undefined && podRequest !== undefined) {
    const used = amount(usage.memoryBytes, resource);
    message += larger('Pod', pod.metadata.name ?? '', used, podRequest, resource);
    annotations['offending_pod'] = pod.metadata.name ?? '';
    annotations['offending_pod_usage'] = used;
  }
  const offenders = (usage?.containers ?? []).flatMap(container => offenderOf(pod, container, resource));
  for (const { name, used, request } of offenders) message += larger('Container', name, used, request, resource);
  if (usage !== undefined) {
    annotations['offending_containers'] = offenders.map(({ name }) => name).join(',');
    annotations['offending_containers_usage'] = offenders.map(({ used }) => used).join(',');
    annotations['starved_resource'] = resource;
  }
  return { message, annotations };
}

function larger(what: string, name: string, used: string, request: string, resource: StarvedResource): string {
  return `${what} ${name} was using ${used}, request is ${request}, has larger consumption of ${resource}. `;
}

function offenderOf(
  { spec }: Pod,
  usage: ContainerUsage,
  resource: StarvedResource,
): { name: string; used: string; request: string }[] {
  const all: readonly Container[] = [...spec.containers, ...(spec.initContainers ?? [])];
  const container = all.find(({ name }) => name === usage.name);
  const used = usedBy(usage, resource);
  if (container === undefined || used === undefined) return [];
  const request = container.resources?.requests?.[resource] ?? '0';
  if (used <= (tryParseQuantity(request)?.value() ?? 0)) return [];
  return [{ name: container.name, used: amount(used, resource), request }];
}

function usedBy({ memoryBytes, rootfs, logs }: ContainerUsage, resource: StarvedResource): number | undefined {
  if (resource === 'memory') return memoryBytes;
  if (resource !== 'ephemeral-storage' || rootfs === undefined || logs === undefined) return undefined;
  return rootfs.bytes + logs.bytes;
}

function amount(count: number, resource: StarvedResource): string {
  const inBytes = resource === 'memory' || resource === 'ephemeral-storage';
  return Quantity.of(Math.round(count), inBytes ? 'BinarySI' : 'DecimalSI').toString();
}
