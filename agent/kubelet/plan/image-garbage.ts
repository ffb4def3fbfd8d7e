/**
 * Which images go when the disk fills: those unused for longest first, until the low mark is reached.
 * Source: kubernetes.io/docs, "Garbage collection of unused container images".
 */

export interface ImageUse {
  readonly id: string;
  readonly sizeBytes: number;
  readonly pinned: boolean;
  readonly inUse: boolean;
  /** When a container was last seen to use it, or the image was first seen. */
  readonly lastUsedAtMs: number;
}

export interface ImageGcPolicy {
  readonly highPercent: number;
  readonly lowPercent: number;
  readonly minAgeMs: number;
  /** 0: age alone removes nothing. */
  readonly maxAgeMs: number;
}

export const DEFAULT_IMAGE_GC: ImageGcPolicy = { highPercent: 85, lowPercent: 80, minAgeMs: 120_000, maxAgeMs: 0 };

/** Ids to remove, in this order. */
export function imagesToRemove(
  images: readonly ImageUse[],
  disk: { readonly capacityBytes: number; readonly availableBytes: number },
  policy: ImageGcPolicy,
  nowMs: number,
): string[] {
  const idle = images
    .filter(image => !image.inUse && !image.pinned && nowMs - image.lastUsedAtMs >= policy.minAgeMs)
    .sort((a, b) => a.lastUsedAtMs - b.lastUsedAtMs);
  const old = policy.maxAgeMs === 0 ? [] : idle.filter(image => nowMs - image.lastUsedAtMs > policy.maxAgeMs);
  const remove = new Set(old.map(image => image.id));
  const usedPercent = 100 - (disk.availableBytes * 100) / Math.max(1, disk.capacityBytes);
  if (usedPercent < policy.highPercent) return [...remove];
  let toFree = (disk.capacityBytes * (100 - policy.lowPercent)) / 100 - disk.availableBytes;
  for (const image of idle) {
    if (toFree <= 0) break;
    remove.add(image.id);
    toFree -= image.sizeBytes;
  }
  return [...remove];
}
