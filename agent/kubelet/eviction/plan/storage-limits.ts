/**
 * Limits of what a pod may lay on the node's disk: `sizeLimit` of emptyDirs, `ephemeral-storage` of containers and of the pod. Pure.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/eviction_manager.go`, localStorageEviction.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { podLimits } from '../../../../machinery/meta/pod-resources.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import type { PodUsage } from './pod-usage.ts';

/** Label `eviction_signal` of the metric `kubelet_evictions`. */
type StorageLimit = 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';

const STORAGE = 'ephemeral-storage';

/** Whether anything of it has to be measured. */
export function hasStorageLimit(pod: Pod): boolean {
  const { spec } = pod;
  return spec.resources?.limits?.[STORAGE] !== undefined || limited(pod).length > 0 || limitedDirs(pod).length > 0;
}

/** Bytes against a limit. */
export interface StorageUse {
  /** Unique on the node. */
  readonly key: string;
  readonly used: number;
  readonly limit: number;
}

interface LimitedUse extends StorageUse {
  readonly kind: StorageLimit;
  readonly message: string;
}

/** Everything of the pod that is limited, in the order in which it counts. */
export function storageUses(pod: Pod, usage: PodUsage, dedicatedImageFs: boolean): readonly LimitedUse[] {
  const uid = uidOf(pod);
  const total = podLimits(pod, 'any').get(STORAGE);
  const uses = [...usage.volumes.values(), ...usage.containers.flatMap(({ rootfs, logs }) => [rootfs, logs])];
  return [
    ...limitedDirs(pod).map(({ name, sizeLimit }) => ({
      key: `${uid} volume ${name}`,
      used: usage.volumes.get(name)?.bytes ?? 0,
      limit: bytesOf(sizeLimit),
      kind: 'emptydirfs.limit' as const,
      message: `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `,
    })),
    ...(total === undefined ? [] : [total]).map(limit => ({
      key: uid,
      used: uses.reduce((sum, use) => sum + (use?.bytes ?? 0), 0),
      limit: limit.value(),
      kind: 'ephemeralpodfs.limit' as const,
      message: `Pod ephemeral local storage usage exceeds the total limit of containers ${limit.toString()}. `,
    })),
    ...limited(pod).map(({ name, resources }) => {
      const limit = resources?.limits?.[STORAGE] ?? '0';
      const own = usage.containers.find(container => container.name === name);
      return {
        key: `${uid} container ${name}`,
        used: (own?.logs?.bytes ?? 0) + (dedicatedImageFs ? 0 : (own?.rootfs?.bytes ?? 0)),
        limit: bytesOf(limit),
        kind: 'ephemeralcontainerfs.limit' as const,
        message: `Container ${name} exceeded its local ephemeral storage limit "${limit}". `,
      };
    }),
  ];
}

/** A limit that a pod went beyond, and what to say of it. */
export type ExceededLimit = Pick<LimitedUse, 'kind' | 'message'>;

/** What went beyond its limit; undefined: nothing did. */
export function exceededLimit(uses: readonly LimitedUse[]): ExceededLimit | undefined {
  return uses.find(({ used, limit }) => used > limit);
}

const SOONEST_MS = 10_000;
/** From this part of a limit on it is looked at as often as may be. */
const NEAR = 0.75;

/**
 * When to measure again: soon where something is new or near its limit, else in half the time in which it would reach it at the speed of the
 * last interval.
 *
 * @param before bytes by key, at the last measure
 */
export function nextWalkMs(
  before: ReadonlyMap<string, number>,
  now: readonly StorageUse[],
  elapsedMs: number,
  longestMs: number,
): number {
  const waits = now.map(({ key, used, limit }) => {
    const last = before.get(key);
    if (last === undefined || used >= limit * NEAR) return 0;
    return used <= last ? longestMs : (((limit - used) / (used - last)) * elapsedMs) / 2;
  });
  return Math.max(SOONEST_MS, Math.min(longestMs, ...waits));
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
