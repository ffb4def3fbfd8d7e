/**
 * What may be thrown away before a pod is, by what is short.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/helpers.go`, buildSignalToNodeReclaimFuncs.
 */
import type { FilesystemLayout, Signal } from './thresholds.ts';

export type Reclaim = 'endedContainers' | 'images';

/** In this order; none for memory and processes. */
export function reclaimsOf(
  signal: Signal,
  { dedicatedImageFs, splitContainerFs }: FilesystemLayout,
): readonly Reclaim[] {
  const [place] = signal.split('.');
  if (place !== 'nodefs' && place !== 'imagefs' && place !== 'containerfs') return [];
  if (!dedicatedImageFs) return ['endedContainers', 'images'];
  if (splitContainerFs) return place === 'imagefs' ? ['images'] : ['endedContainers'];
  return place === 'nodefs' ? [] : ['endedContainers', 'images'];
}
