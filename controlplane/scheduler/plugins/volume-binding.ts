/**
 * A pod waits until its claims exist, and runs where their volumes are or can be. Source: upstream plugin VolumeBinding.
 */
import type { Plugin } from '../framework/framework.ts';
import { claimsOf, planVolumes, type PodClaims, type VolumeSources } from '../plan/volumes.ts';

const NAME = 'VolumeBinding';

export function volumeBinding(sources: VolumeSources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod) {
      const claims = claimsOf(pod, sources);
      if ('reason' in claims) return claims;
      state.write(NAME, claims);
      return undefined;
    },
    filter(state, _pod, { node }) {
      const claims = state.read<PodClaims>(NAME);
      if (claims.bound.length + claims.waiting.length === 0) return undefined;
      const decision = planVolumes(claims, node, sources);
      return 'reason' in decision ? [decision] : undefined;
    },
  };
}
