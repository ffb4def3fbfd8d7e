/**
 * Downward API: the values of `fieldRef` and `resourceFieldRef`, for environment variables and volumes alike.
 * Source: kubernetes.io/docs, "Downward API"; `pkg/fieldpath`, `pkg/api/v1/resource` 1.36.
 */
import type { Container, Pod, ResourceFieldSelector } from '../../../proto/api/core-v1.ts';
import { parseQuantity } from '../../../machinery/meta/quantity.ts';
import { gibberishFree, type ResourceAmounts } from '../../../machinery/meta/pod-resources.ts';

/** What a node knows of a pod beside its spec. */
export interface FieldContext {
  readonly nodeName: string;
  readonly hostIPs: readonly string[];
  readonly podIPs: readonly string[];
}

/** The value, or undefined for a path that no downward API knows. */
export function fieldValue(pod: Pod, path: string, context: FieldContext): string | undefined {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? metadata.labels : metadata.annotations;
    return map?.[keyed[2] ?? ''] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata.labels);
    case 'metadata.annotations':
      return formatMap(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? context.nodeName;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return context.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return context.hostIPs.join(',');
    case 'status.podIP':
      return context.podIPs[0] ?? '';
    case 'status.podIPs':
      return context.podIPs.join(',');
    default:
      return undefined;
  }
}

/** `key="value"` a line, sorted by key, as the downward API volume writes maps. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/**
 * The amount in units of the divisor, rounded up. A limit that is not set is the node's allocatable.
 * @returns undefined for a resource that no downward API knows
 */
export function resourceFieldValue(
  container: Container,
  ref: ResourceFieldSelector,
  allocatable: ResourceAmounts,
): string | undefined {
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(ref.resource);
  if (match === null) return undefined;
  const [, which, resource = ''] = match;
  const { limits, requests } = container.resources ?? {};
  const set = which === 'limits' ? limits?.[resource] : (requests?.[resource] ?? limits?.[resource]);
  const fallback = which === 'limits' ? allocatable[resource] : undefined;
  const amount = parseQuantity(gibberishFree(set) ?? gibberishFree(fallback) ?? '0');
  const divisorText = ref.divisor === undefined || ref.divisor === '' || ref.divisor === '0' ? '1' : ref.divisor;
  const divisor = parseQuantity(divisorText);
  const count = divisor.nanos === 0n ? 0n : (amount.nanos + divisor.nanos - 1n) / divisor.nanos;
  return String(count);
}
