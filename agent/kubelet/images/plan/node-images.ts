/**
 * `node.status.images`: what the scheduler counts as there already. Source: `pkg/kubelet/nodestatus/setters.go` (Images) 1.36.
 */
import type { ContainerImage } from '../../../../proto/api/core-v1.ts';

/** An image of the runtime. */
export interface RuntimeImage {
  readonly repoDigests: readonly string[];
  readonly repoTags: readonly string[];
  readonly size: bigint;
}

/** So many names of one image are told. */
const MAX_NAMES = 5;

/** The largest first; images without a name (dangling ones) are not told. @param max -1: all */
export function nodeImages(images: readonly RuntimeImage[], max: number): ContainerImage[] {
  const named = images
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES),
      sizeBytes: Number(size),
    }))
    .filter(({ names }) => names.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
  return max < 0 ? named : named.slice(0, max);
}
