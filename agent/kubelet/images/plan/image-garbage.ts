/**
 * Which images go: those that nobody used for too long, and when the disk fills those unused for longest, until the low mark is reached.
 * Source: kubernetes 1.36 `pkg/kubelet/images/image_gc_manager.go`; kubernetes.io/docs, "Garbage collection of unused container images".
 */

export interface ImageUse {
  readonly id: string;
  readonly sizeBytes: number;
  readonly pinned: boolean;
  readonly inUse: boolean;
  /** When it was first seen here; 0 if that was before anybody looked. Milliseconds since the epoch, as the rest. */
  readonly detectedAtMs: number;
  /** When a container was last seen to use it; 0 for never. */
  readonly lastUsedAtMs: number;
}

export interface ImageGcPolicy {
  readonly highPercent: number;
  readonly lowPercent: number;
  /** Younger ones stay: they may be on their way into a container. */
  readonly minAgeMs: number;
  /** 0: age alone removes nothing. */
  readonly maxAgeMs: number;
}

export interface DiskSpace {
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

/** Those nobody used for longer than the policy's greatest age. Nothing in that time after the start: what was before is not known. */
export function agedImages(
  images: readonly ImageUse[],
  { maxAgeMs }: ImageGcPolicy,
  nowMs: number,
  startedAtMs: number,
): ImageUse[] {
  if (maxAgeMs === 0 || nowMs - startedAtMs <= maxAgeMs) return [];
  return idle(images).filter(({ lastUsedAtMs, detectedAtMs }) => {
    const sinceMs = Math.max(lastUsedAtMs, detectedAtMs, startedAtMs);
    return nowMs - sinceMs > maxAgeMs;
  });
}

/** How much is to be freed; 0 below the high mark. */
export function bytesToFree({ capacityBytes, availableBytes }: DiskSpace, policy: ImageGcPolicy): number {
  const usedPercent = 100 - Math.floor((Math.min(availableBytes, capacityBytes) * 100) / capacityBytes);
  if (usedPercent < policy.highPercent) return 0;
  return Math.max(0, (capacityBytes * (100 - policy.lowPercent)) / 100 - availableBytes);
}

/** In the order in which to remove them until enough is freed: those unused for longest first. */
export function removableImages(images: readonly ImageUse[], { minAgeMs }: ImageGcPolicy, nowMs: number): ImageUse[] {
  return idle(images)
    .filter(({ detectedAtMs }) => nowMs - detectedAtMs >= minAgeMs)
    .sort((a, b) => a.lastUsedAtMs - b.lastUsedAtMs || a.detectedAtMs - b.detectedAtMs);
}

function idle(images: readonly ImageUse[]): ImageUse[] {
  return images.filter(({ inUse, pinned }) => !inUse && !pinned);
}
