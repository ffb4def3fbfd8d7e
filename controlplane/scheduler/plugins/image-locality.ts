/**
 * Prefers nodes that have the pod's images already, by their size and by how many nodes have them: one node alone must not get all pods.
 * Source: upstream plugin ImageLocality (23 MB to 1,000 MB an image count from 0 to 100).
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { MAX_NODE_SCORE, type Plugin } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';

const NAME = 'ImageLocality';
const MIB = 1024 * 1024;
const MIN_BYTES = 23 * MIB;
const MAX_BYTES_PER_IMAGE = 1000 * MIB;

/** An image of the pod. */
interface Image {
  /** What nodes may call it. */
  readonly names: readonly string[];
  /** Share of all nodes that have it. */
  readonly spread: number;
}

/** @param snapshot the cluster as the running cycle sees it */
export function imageLocality({ snapshot }: { snapshot(): Snapshot }): Plugin {
  return {
    name: NAME,
    preScore(state, pod) {
      const images = imagesOf(pod, snapshot());
      // A pod without an image that any node has is as welcome everywhere.
      if (images.every(({ spread }) => spread === 0)) return 'skip';
      state.write(NAME, images);
      return undefined;
    },
    score(state, pod, info) {
      const images = state.find<readonly Image[]>(NAME) ?? imagesOf(pod, snapshot());
      let bytes = 0;
      for (const { names, spread } of images) bytes += Math.floor(bytesOn(info, names) * spread);
      const max = MAX_BYTES_PER_IMAGE * images.length;
      return Math.floor((MAX_NODE_SCORE * (Math.min(Math.max(bytes, MIN_BYTES), max) - MIN_BYTES)) / (max - MIN_BYTES));
    },
  };
}

function imagesOf({ spec }: Pod, snapshot: Snapshot): readonly Image[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers].map(({ image }) => image);
  const volumes = (spec.volumes ?? []).flatMap(({ image }) => (image === undefined ? [] : [image.reference]));
  return [...containers, ...volumes].map((image = '') => {
    const names = namesOf(image);
    const having = names.reduce((most, name) => Math.max(most, snapshot.nodesWithImage(name)), 0);
    return { names, spread: having === 0 ? 0 : having / snapshot.nodes.length };
  });
}

/** Differs: upstream takes `nginx` for another image than `docker.io/library/nginx`, which is what nodes call it. */
function namesOf(image: string): readonly string[] {
  const tagged = image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
  if (!tagged.includes('/')) return [tagged, `docker.io/library/${tagged}`];
  const [registry = ''] = tagged.split('/');
  return /[.:]|^localhost$/.test(registry) ? [tagged] : [tagged, `docker.io/${tagged}`];
}

function bytesOn({ imageSizes }: NodeInfo, names: readonly string[]): number {
  if (imageSizes.size === 0) return 0;
  for (const name of names) {
    const bytes = imageSizes.get(name);
    if (bytes !== undefined) return bytes;
  }
  return 0;
}
