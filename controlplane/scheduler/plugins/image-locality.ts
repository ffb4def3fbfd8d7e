/**
 * Prefers nodes that have the pod's images already, weighed by size and by how widely an image is spread.
 * Source: upstream plugin ImageLocality (23 MB to 1,000 MB per container count from 0 to 100).
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { MAX_NODE_SCORE, type Plugin } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';

const NAME = 'ImageLocality';
const MIB = 1024 * 1024;
const MIN_BYTES = 23 * MIB;
const MAX_BYTES_PER_CONTAINER = 1000 * MIB;

/** `nginx` and `nginx:latest` are one image. */
function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}

function imageBytes({ imageSizes }: NodeInfo, image: string): number {
  return imageSizes.get(image) ?? imageSizes.get(`docker.io/library/${image}`) ?? 0;
}

function imagesOf(pod: Pod): string[] {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(c => withTag(c.image ?? ''));
}

export const imageLocality: Plugin = {
  name: NAME,
  preScore(state, pod, nodes) {
    const spread = new Map<string, number>();
    for (const image of imagesOf(pod))
      spread.set(image, nodes.filter(n => imageBytes(n, image) > 0).length / nodes.length);
    state.write(NAME, spread);
    return undefined;
  },
  score(state, pod, info) {
    const spread = state.read<Map<string, number>>(NAME);
    const images = imagesOf(pod);
    const bytes = images.reduce((sum, image) => sum + imageBytes(info, image) * (spread.get(image) ?? 0), 0);
    const max = MAX_BYTES_PER_CONTAINER * images.length;
    return Math.floor((MAX_NODE_SCORE * (Math.min(Math.max(bytes, MIN_BYTES), max) - MIN_BYTES)) / (max - MIN_BYTES));
  },
};
