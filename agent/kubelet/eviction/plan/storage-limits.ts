/**
 * Limits of what a pod may lay on the node's disk: `sizeLimit` of emptyDirs, `ephemeral-storage` of containers and of the pod. Pure.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/eviction_manager.go`, localStorageEviction.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { podLimits } from '../../../../machinery/meta/pod-resources.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { PodUsage } from './pod-usage.ts';

/** Label `eviction_signal` of the metric `kubelet_evictions`. */
export type StorageLimit = 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';

const STORAGE = 'ephemeral-storage';

/** Whether anything of it has to be measured. */
export function hasStorageLimit(pod: Pod): boolean {
  const { spec } = pod;
  return spec.resources?.limits?.[STORAGE] !== undefined || limited(pod).length > 0 || limitedDirs(pod).length > 0;
}

/** What goes beyond its limit first; undefined: nothing does. */
export function exceededLimit(
  pod: Pod,
  usage: PodUsage,
  dedicatedImageFs: boolean,
): { readonly limit: StorageLimit; readonly message: string } | undefined {
  for (const { name, sizeLimit } of limitedDirs(pod)) {
    if ((usage.volumes.get(name)?.bytes ?? 0) <= bytesOf(sizeLimit)) continue;
    return {
      limit: 'emptydirfs.limit',
      message: `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `,
    };
  }
  const total = podLimits(pod, 'any').get(STORAGE);
  const uses = [...usage.volumes.values(), ...usage.containers.flatMap(({ rootfs, logs }) => [rootfs, logs])];
  const used = uses.reduce((sum, use) => sum + (use?.bytes ?? 0), 0);
  if (total !== undefined && used > total.value()) {
    const message = `Pod ephemeral local storage usage exceeds the total limit of containers ${total.toString()}. `;
    return { limit: 'ephemeralpodfs.limit', message };
  }
  for (const { name, resources } of limited(pod)) {
    const limit = resources?.limits?.[STORAGE] ?? '0';
    const own = usage.containers.find(container => container.name === name);
    const ofContainer = (own?.logs?.bytes ?? 0) + (dedicatedImageFs ? 0 : (own?.rootfs?.bytes ?? 0));
    if (ofContainer <= bytesOf(limit)) continue;
    const message = `Container ${name} exceeded its local ephemeral storage limit "${limit}". `;
    return { limit: 'ephemeralcontainerfs.limit', message };
  }
  return undefined;
}

function limited({ spec }: Pod): Container[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...spec.containers, ...sidecars].filter(({ resources }) => bytesOf(resources?.limits?.[STORAGE]) > 0);
}

/** In memory the file system itself holds the limit. */
function limitedDirs({ spec }: Pod): { name: string; sizeLimit: string }[] {
  return (spec.volumes ?? []).flatMap(({ name, emptyDir }) =>
    emptyDir?.sizeLimit !== undefined && (emptyDir.medium ?? '') === '' && bytesOf(emptyDir.sizeLimit) > 0
      ? [{ name, sizeLimit: emptyDir.sizeLimit }]
      : [],
  );
}

function bytesOf(quantity: string | undefined): number {
  return (quantity === undefined ? undefined : tryParseQuantity(quantity)?.value()) ?? 0;
}
