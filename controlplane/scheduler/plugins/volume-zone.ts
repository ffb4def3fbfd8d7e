/** Volumes with a zone or region in their labels are reached from nodes of the same. Source: upstream plugin VolumeZone. */
import type { PersistentVolume } from '../../../proto/api/core-v1.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import type { Plugin } from '../framework/framework.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'VolumeZone';
/** Each with its older name. */
const TOPOLOGIES = [
  ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'],
  ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'],
] as const;
/** Between the zones of a volume that lies in several. */
const SEPARATOR = '__';

interface Wanted {
  readonly keys: readonly [string, string];
  readonly values: readonly string[];
}

export function volumeZone(sources: VolumeSources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod) {
      const volumes = claimNamesOf(pod).flatMap(name => {
        const bound = sources.claim(pod.metadata.namespace ?? '', name)?.spec.volumeName ?? '';
        return bound === '' ? [] : (sources.volume(bound) ?? []);
      });
      state.write(NAME, volumes.flatMap(topologiesOf));
      return undefined;
    },
    filter(state, _pod, { node }) {
      const labels = node.metadata.labels ?? {};
      const fits = ({ keys: [key, older], values }: Wanted): boolean =>
        values.includes(labels[key] ?? labels[older] ?? '');
      if (state.read<Wanted[]>(NAME).every(fits)) return undefined;
      return [{ reason: 'node(s) had no available volume zone', unresolvable: true }];
    },
  };
}

function topologiesOf({ metadata }: PersistentVolume): Wanted[] {
  return TOPOLOGIES.flatMap(([key, older]) => {
    const value = metadata.labels?.[key] ?? metadata.labels?.[older];
    return value === undefined ? [] : [{ keys: [key, older] as const, values: value.split(SEPARATOR) }];
  });
}
