/** Volumes with a zone or region in their labels are reached from nodes of the same. Source: upstream plugin VolumeZone, 1.36. */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import type { Plugin, Rejection } from '../framework/framework.ts';
import { ownClaimHint, volumeLabelsHint } from '../plan/volume-hints.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'VolumeZone';
/** Older names with the newer ones, which a node has at least. */
const NEWER: ReadonlyMap<string, string> = new Map([
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
]);
const LABELS: readonly string[] = [...NEWER.keys(), ...NEWER.values()];
/** Between the zones of a volume that lies in several. */
const SEPARATOR = '__';
const ELSEWHERE: readonly Rejection[] = [{ reason: 'node(s) had no available volume zone', unresolvable: true }];

interface Wanted {
  readonly key: string;
  readonly values: ReadonlySet<string>;
}

type Sources = Pick<VolumeSources, 'claim' | 'volume' | 'storageClass'>;

export function volumeZone(sources: Sources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod) {
      const wanted = wantedBy(pod, sources);
      if ('reason' in wanted) return wanted;
      if (wanted.length === 0) return 'skip';
      state.write(NAME, wanted);
      return undefined;
    },
    filter(state, _pod, { node }) {
      const { labels = {} } = node.metadata;
      // A node of no zone is asked for none.
      if (!LABELS.some(key => labels[key] !== undefined)) return undefined;
      for (const { key, values } of state.read<readonly Wanted[]>(NAME)) {
        const value = labels[key] ?? labels[NEWER.get(key) ?? key];
        if (value === undefined || !values.has(value)) return ELSEWHERE;
      }
      return undefined;
    },
    eventsToRegister: () => [
      { resource: 'StorageClass', actions: ['Add'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: ownClaimHint },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'], hint: volumeLabelsHint },
    ],
  };
}

/** What the pod's volumes want of a node; or why none will do before something else happens. */
function wantedBy(pod: Pod, sources: Sources): readonly Wanted[] | Rejection {
  const wanted: Wanted[] = [];
  for (const name of claimNamesOf(pod)) {
    const claim = sources.claim(pod.metadata.namespace ?? '', name);
    if (claim === undefined) return never(`persistentvolumeclaim "${name}" not found`);
    const { volumeName = '' } = claim.spec;
    const problem = volumeName === '' ? unboundProblem(claim, sources) : undefined;
    if (problem !== undefined) return never(problem);
    if (volumeName === '') continue;
    const volume = sources.volume(volumeName);
    if (volume === undefined) return never(`persistentvolume "${volumeName}" not found`);
    wanted.push(...topologiesOf(volume));
  }
  return wanted;
}

function unboundProblem(claim: PersistentVolumeClaim, sources: Sources): string | undefined {
  const className = storageClassOf(claim);
  if (className === '') return 'PersistentVolumeClaim had no pv name and storageClass name';
  const storageClass = sources.storageClass(className);
  if (storageClass === undefined) return `storageclass.storage.k8s.io "${className}" not found`;
  return storageClass.volumeBindingMode === 'WaitForFirstConsumer' ? undefined : 'PersistentVolume had no name';
}

function topologiesOf({ metadata }: PersistentVolume): Wanted[] {
  return LABELS.flatMap(key => {
    const value = metadata.labels?.[key];
    if (value === undefined) return [];
    const values = new Set(value.split(SEPARATOR).map(zone => zone.trim()));
    // As upstream: what is no list of zones says nothing.
    return values.has('') ? [] : [{ key, values }];
  });
}

function never(reason: string): Rejection {
  return { reason, unresolvable: true };
}
