/** A claim that is for one pod alone (ReadWriteOncePod) keeps a second one waiting. Source: upstream plugin VolumeRestrictions; KEP 2485. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import type { Plugin } from '../framework/framework.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'VolumeRestrictions';

interface State {
  /** Names of claims for one pod alone. */
  readonly claims: readonly string[];
  /** Names of nodes with a pod that has one of them. */
  readonly holders: readonly string[];
}

export function volumeRestrictions(sources: VolumeSources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod, { nodes }) {
      const namespace = pod.metadata.namespace ?? '';
      const claims = claimNamesOf(pod).filter(
        name => sources.claim(namespace, name)?.spec.accessModes?.includes('ReadWriteOncePod') === true,
      );
      const holders = claims.length === 0 ? [] : nodes.filter(({ pods }) => holds(pods, namespace, claims));
      state.write(NAME, { claims, holders: holders.map(({ name }) => name) } satisfies State);
      return undefined;
    },
    filter(state, pod, info) {
      const { claims, holders } = state.read<State>(NAME);
      if (claims.length === 0) return undefined;
      const isElsewhere = holders.some(name => name !== info.name);
      if (!isElsewhere && !holds(info.pods, pod.metadata.namespace ?? '', claims)) return undefined;
      const reason = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
      return [{ reason, unresolvable: false }];
    },
  };
}

function holds(pods: ReadonlyMap<string, Pod>, namespace: string, claims: readonly string[]): boolean {
  for (const pod of pods.values())
    if (pod.metadata.namespace === namespace && claimNamesOf(pod).some(name => claims.includes(name))) return true;
  return false;
}
