/**
 * In which order pods go when a node runs short. Pure.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/helpers.go`, rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure.
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../../machinery/meta/pod-priority.ts';
import { podRequests } from '../../../../machinery/meta/pod-resources.ts';
import type { DiskUse, PodUsage } from './pod-usage.ts';
import type { FilesystemLayout, Signal, StarvedResource } from './thresholds.ts';
import { SIGNALS } from './thresholds.ts';

/** Where a pod takes room on disks. */
export type DiskPart = 'rootfs' | 'logs' | 'volumes';

/** What of a pod lies on the file system that a signal watches. */
export function partsOf(signal: Signal, layout: FilesystemLayout): readonly DiskPart[] {
  if (!layout.dedicatedImageFs) return ['rootfs', 'logs', 'volumes'];
  const onImages = layout.splitContainerFs ? [] : (['rootfs'] as const);
  const onNode = layout.splitContainerFs ? (['logs', 'volumes', 'rootfs'] as const) : (['logs', 'volumes'] as const);
  if (signal.startsWith('nodefs.')) return onNode;
  if (signal.startsWith('imagefs.')) return onImages;
  return layout.splitContainerFs ? onNode : onImages;
}

/**
 * First to go first: pods of which nothing is known, those over their requests, those of low priority, those furthest over their requests.
 * For processes, priority and number alone count.
 */
export function rankPods(
  pods: readonly Pod[],
  signal: Signal,
  layout: FilesystemLayout,
  usageOf: (pod: Pod) => PodUsage | undefined,
): Pod[] {
  const { resource } = SIGNALS[signal];
  const parts = partsOf(signal, layout);
  const rows = pods.map(pod => {
    const usage = usageOf(pod);
    const used = usage === undefined ? undefined : amountUsed(usage, resource, parts);
    const requested = requestOf(pod, resource);
    const over = used === undefined ? Infinity : used - requested;
    return { pod, over, exceeds: resource === 'pids' ? 0 : over > 0 ? 0 : 1, priority: priorityOf(pod) };
  });
  rows.sort((a, b) => a.exceeds - b.exceeds || a.priority - b.priority || descending(a.over, b.over));
  return rows.map(({ pod }) => pod);
}

function descending(a: number, b: number): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

function amountUsed(usage: PodUsage, resource: StarvedResource, parts: readonly DiskPart[]): number {
  switch (resource) {
    case 'memory':
      return usage.memoryBytes;
    case 'pids':
      return usage.processes;
    case 'ephemeral-storage':
      return sum(usage, parts, use => use.bytes);
    case 'inodes':
      return sum(usage, parts, use => use.inodes);
  }
}

function sum(usage: PodUsage, parts: readonly DiskPart[], pick: (use: DiskUse) => number): number {
  const ofContainers = usage.containers.flatMap(({ rootfs, logs }) => [
    ...(parts.includes('rootfs') ? [rootfs] : []),
    ...(parts.includes('logs') ? [logs] : []),
  ]);
  const ofVolumes = parts.includes('volumes') ? [...usage.volumes.values()] : [];
  return [...ofContainers, ...ofVolumes].reduce((total, use) => total + (use === undefined ? 0 : pick(use)), 0);
}

function requestOf(pod: Pod, resource: StarvedResource): number {
  if (resource !== 'memory' && resource !== 'ephemeral-storage') return 0;
  return podRequests(pod).get(resource)?.value() ?? 0;
}
