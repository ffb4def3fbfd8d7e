/** Names of the claims that a pod uses, in its own namespace. Pure. */
import type { Pod, Volume } from '../../proto/api/core-v1.ts';

/** Of one volume of a pod; undefined: it is no claim. A volume that makes its claim gives it the pod's name and its own. */
export function claimNameOf({ metadata }: Pod, { name, persistentVolumeClaim, ephemeral }: Volume): string | undefined {
  return ephemeral === undefined ? persistentVolumeClaim?.claimName : `${metadata.name ?? ''}-${name}`;
}

/** In the order of the volumes. */
export function claimNamesOf(pod: Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap(volume => claimNameOf(pod, volume) ?? []);
}
