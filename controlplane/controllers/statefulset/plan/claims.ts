/**
 * The claims of a StatefulSet's pods: what they look like, who owns them, and which of them a pod must not use. Pure.
 * Source: kubernetes.io/docs, "StatefulSets", PersistentVolumeClaim retention; upstream `pkg/controller/statefulset/stateful_set_utils.go`.
 */
import type { StatefulSet } from '../../../../proto/api/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../../../proto/api/core-v1.ts';
import type { OwnerReference } from '../../../../proto/api/meta-v1.ts';
import { controllerRef, ownerRef } from '../../../../machinery/meta/object.ts';

const STATEFUL_SET = { group: 'apps', version: 'v1', kind: 'StatefulSet' };
const POD = { group: '', version: 'v1', kind: 'Pod' };

export function claimName(set: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${set.metadata.name}-${ordinal}`;
}

/** The claims that the pod with this number uses, as they are to be made. */
export function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(set, metadata.name ?? '', ordinal),
      namespace: set.metadata.namespace,
      labels: { ...metadata.labels, ...set.spec.selector?.matchLabels },
      ...(metadata.annotations === undefined ? {} : { annotations: metadata.annotations }),
    },
    spec,
  }));
}

/**
 * The owners that a claim should have by the retention policy: the set when claims go with it, the pod when its number is not wanted any more.
 * Other owners stay. The same list comes back when it is right.
 */
export function claimOwners(
  set: StatefulSet,
  pod: Pod | undefined,
  isCondemned: boolean,
  owners: readonly OwnerReference[],
): readonly OwnerReference[] {
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  const others = owners.filter(owner => owner.kind !== 'Pod' && owner.uid !== set.metadata.uid);
  // Somebody else has made it their business.
  if (others.some(owner => owner.controller === true)) return owners;
  const wanted: OwnerReference[] = [...others];
  if (isCondemned && whenScaled === 'Delete') {
    if (pod?.metadata.uid !== undefined) wanted.push(ownerRef(pod, POD));
  } else if (whenDeleted === 'Delete') {
    wanted.push({ ...controllerRef(set, STATEFUL_SET) });
  }
  const uids = (list: readonly OwnerReference[]): string => list.map(owner => owner.uid).join();
  return uids(wanted) === uids(owners) ? owners : wanted;
}

/**
 * Whether a claim is on its way out: it belongs to a pod of that name that is gone, and goes with it. A new pod waits for a new claim.
 *
 * @param podUid uid of the pod that there is; undefined: none
 */
export function isStaleClaim(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  podName: string,
  podUid: string | undefined,
): boolean {
  if (set.spec.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  const owners = claim.metadata.ownerReferences ?? [];
  return owners.some(owner => owner.kind === 'Pod' && owner.name === podName && owner.uid !== podUid);
}
