/**
 * Which static pods a node is to run, of all that files and URLs say.
 *
 * - Of two manifests for one name the first counts; the other is told.
 * - Differs: a manifest that cannot be used (any more) leaves the pod that came from it as it is, until it is mended or removed.
 *   Upstream ends the pod.
 */
import { canonicalJson, type JsonValue } from '../../../../machinery/meta/json-value.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { CONFIG_SEEN } from './static-pod.ts';
import { keyOf } from '../../../../machinery/meta/object.ts';

/** What was read of one file or URL; see sources/manifests.ts. */
interface ReadManifest {
  readonly location: string;
  readonly pods: readonly Pod[];
  readonly problem: string | undefined;
}

/** A static pod and where it is written. */
export interface PlacedPod {
  readonly pod: Pod;
  readonly location: string;
}

/** By `namespace/name`. */
export type StaticPodSet = ReadonlyMap<string, PlacedPod>;

export interface Merged {
  readonly pods: StaticPodSet;
  /** By location, in sentences. */
  readonly problems: ReadonlyMap<string, string>;
}

/** @param before what the last merge gave: pods that stay the same stay the same objects */
export function mergeManifests(manifests: readonly ReadManifest[], before: StaticPodSet): Merged {
  const pods = new Map<string, PlacedPod>();
  const problems = new Map<string, string>();
  for (const { location, pods: read, problem } of manifests) {
    const kept = problem === undefined ? [] : [...before.values()].filter(placed => placed.location === location);
    if (problem !== undefined) problems.set(location, problem);
    for (const pod of [...read, ...kept.map(placed => placed.pod)]) {
      const key = keyOf(pod);
      const first = pods.get(key);
      if (first !== undefined) {
        problems.set(location, `pod ${key} is defined in ${first.location} already; this one is ignored`);
        continue;
      }
      const known = before.get(key);
      const isSame = known !== undefined && contentOf(known.pod) === contentOf(pod);
      pods.set(key, isSame ? { pod: known.pod, location } : { pod, location });
    }
  }
  return { pods, problems };
}

/** All but the time at which it was read. */
function contentOf(pod: Pod): string {
  const { [CONFIG_SEEN]: _, ...annotations } = pod.metadata.annotations ?? {};
  return canonicalJson({ ...pod, metadata: { ...pod.metadata, annotations } } as unknown as JsonValue);
}
