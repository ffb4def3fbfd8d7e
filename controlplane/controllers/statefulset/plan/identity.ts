/**
 * What makes the pods of a StatefulSet each its own: number, name, host name, claims. Pure.
 * Source: kubernetes.io/docs, "StatefulSets"; upstream `pkg/controller/statefulset/stateful_set_utils.go`.
 */
import type { StatefulSet } from '../../../../proto/api/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import type { OwnerReference } from '../../../../proto/api/meta-v1.ts';
import { controllerRef, ownerRef } from '../../../../machinery/meta/object.ts';
import { podFromTemplate } from '../../runtime/plan/pod-from-template.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';

const STATEFUL_SET = { group: 'apps', version: 'v1', kind: 'StatefulSet' };
const POD = { group: '', version: 'v1', kind: 'Pod' };
const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX_LABEL = 'apps.kubernetes.io/pod-index';

export function podName(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`;
}

/** The pod's number, -1 for one that is not named as the set's pods are. */
export function ordinalOf(set: StatefulSet, pod: Pod): number {
  const prefix = `${set.metadata.name}-`;
  const name = pod.metadata.name ?? '';
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : -1;
}

export function claimName(set: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${set.metadata.name}-${ordinal}`;
}

/** @param revision name of the ControllerRevision that `template` is of */
export function statefulPod(set: StatefulSet, template: PodTemplateSpec, ordinal: number, revision: string): Pod {
  const pod = podFromTemplate(template, set, STATEFUL_SET);
  const { generateName: _, ...metadata } = pod.metadata;
  const name = podName(set, ordinal);
  const claims = (set.spec.volumeClaimTemplates ?? []).map(claim => claim.metadata.name ?? '');
  const volumes = [
    ...claims.map(claim => ({ name: claim, persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) } })),
    ...(pod.spec.volumes ?? []).filter(volume => !claims.includes(volume.name)),
  ];
  return {
    ...pod,
    metadata: {
      ...metadata,
      name,
      labels: {
        ...metadata.labels,
        [POD_NAME_LABEL]: name,
        [POD_INDEX_LABEL]: String(ordinal),
        [REVISION_LABEL]: revision,
      },
    },
    spec: {
      ...pod.spec,
      hostname: name,
      subdomain: set.spec.serviceName,
      ...(volumes.length === 0 ? {} : { volumes }),
    },
  };
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
  const wanted: OwnerReference[] = [...others];
  if (isCondemned && whenScaled === 'Delete') {
    if (pod?.metadata.uid !== undefined) wanted.push(ownerRef(pod, POD));
  } else if (whenDeleted === 'Delete') {
    wanted.push({ ...controllerRef(set, STATEFUL_SET) });
  }
  const uids = (list: readonly OwnerReference[]): string => list.map(owner => owner.uid).join();
  return uids(wanted) === uids(owners) ? owners : wanted;
}
