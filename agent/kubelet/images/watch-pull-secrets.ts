/** Tells when a pull secret of a pod is made or changed: what failed for want of it may work now. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { secrets } from '../../../machinery/client/resource.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import { pullSecretNames } from './image-keyring.ts';

/** @returns what ends it */
export function watchPullSecrets(objects: PodObjects, pod: Pod, onChange: () => void): () => void {
  const { namespace = '' } = pod.metadata;
  const stops = pullSecretNames(pod).map(name => {
    let seen: { readonly version: string | undefined } | undefined;
    return objects.watch(secrets, namespace, name, secret => {
      const version = secret?.metadata.resourceVersion;
      // The first is how it stands.
      const changed = seen !== undefined && seen.version !== version;
      seen = { version };
      if (changed) onChange();
    });
  });
  return () => {
    for (const stop of stops) stop();
  };
}
