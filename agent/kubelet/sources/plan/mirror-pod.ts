/** The stand-in of a static pod in the API. Source: kubernetes 1.36 `pkg/kubelet/pod/mirror_client.go`. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { CONFIG_HASH, CONFIG_MIRROR } from './static-pod.ts';

/** The hash of the static pod that a pod stands for; undefined for pods of their own. */
export function mirroredHash({ metadata }: Pod): string | undefined {
  return metadata.annotations?.[CONFIG_MIRROR];
}

/** What to do about a name. */
export type MirrorAction =
  /** It is as it should be, or must change before anything can be done. */
  { readonly kind: 'none' } | { readonly kind: 'create' } | { readonly kind: 'delete' };

/**
 * @param pod the static pod of the name, if there is one
 * @param mirror what stands in the API under it
 * @param isEnding whether the static pod that the mirror stands for is still being ended here
 */
export function mirrorAction(pod: Pod | undefined, mirror: Pod | undefined, isEnding: boolean): MirrorAction {
  if (mirror === undefined) return { kind: pod === undefined ? 'none' : 'create' };
  // Whoever deletes it waits for nothing: the pod itself stays.
  if (mirror.metadata.deletionTimestamp !== undefined) return { kind: 'delete' };
  if (pod === undefined) return { kind: isEnding ? 'none' : 'delete' };
  return { kind: mirroredHash(mirror) === pod.metadata.annotations?.[CONFIG_HASH] ? 'none' : 'delete' };
}

/** @param nodeUid of the node's own object: it owns its mirror pods */
export function mirrorPod(pod: Pod, nodeUid: string): Pod {
  const { uid: _, ...metadata } = pod.metadata;
  const { status: __, ...rest } = pod;
  const owner = { apiVersion: 'v1', kind: 'Node', name: pod.spec.nodeName ?? '', uid: nodeUid, controller: true };
  return {
    ...rest,
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [CONFIG_MIRROR]: metadata.annotations?.[CONFIG_HASH] ?? '' },
      ownerReferences: [owner],
    },
  };
}
