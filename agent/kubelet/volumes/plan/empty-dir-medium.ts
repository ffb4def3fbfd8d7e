/**
 * What an emptyDir in memory is mounted with. Pure.
 * Source: kubernetes `pkg/volume/emptydir/empty_dir.go`; KEP-1967, sizes of memory volumes.
 */
import { podLimits, type ResourceAmounts } from '../../../../machinery/meta/pod-resources.ts';
import { parseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';

/** Bytes that the volume may hold: its own limit, what bounds the pod's memory, or the node's allocatable, whichever is least. */
export function memoryVolumeBytes(
  pod: Pod,
  sizeLimit: string | undefined,
  allocatable: ResourceAmounts,
): number | undefined {
  const asked = sizeLimit === undefined ? 0 : parseQuantity(sizeLimit).value();
  const bounds = [
    asked,
    podLimits(pod).get('memory')?.value() ?? 0,
    allocatable['memory'] === undefined ? 0 : parseQuantity(allocatable['memory']).value(),
  ].filter(bytes => bytes > 0);
  return bounds.length === 0 ? undefined : Math.min(...bounds);
}

/** Size of the pages, as resources name it (`2Mi`). @throws Error where the pod does not say which, or asks for none */
export function hugePageSize(pod: Pod, medium: string): string {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const asked = containers.flatMap(({ resources }) => Object.keys({ ...resources?.limits, ...resources?.requests }));
  const sizes = new Set(
    asked.filter(name => name.startsWith('hugepages-')).map(name => name.slice('hugepages-'.length)),
  );
  const named = /^HugePages-(.+)$/.exec(medium)?.[1];
  if (named !== undefined) {
    if (sizes.has(named)) return named;
    throw new Error(`medium ${medium}: no container of the pod requests hugepages-${named}`);
  }
  const [size, second] = sizes;
  if (size === undefined)
    throw new Error('hugePages storage requested, but there is no resource request for huge pages');
  if (second !== undefined)
    throw new Error(`medium ${medium} can't be used if container requests multiple huge page sizes`);
  return size;
}
