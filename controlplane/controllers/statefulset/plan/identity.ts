/**
 * What makes the pods of a StatefulSet each its own: number, name, host name. Pure.
 * Source: kubernetes.io/docs, "StatefulSets"; upstream `pkg/controller/statefulset/stateful_set_utils.go`.
 */
import type { StatefulSet } from '../../../../proto/api/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { podFromTemplate } from '../../runtime/plan/pod-from-template.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';
import { claimName } from './claims.ts';

const STATEFUL_SET = { group: 'apps', version: 'v1', kind: 'StatefulSet' };
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

/** The labels of a pod that lacks what makes it its own, as one that was adopted may; undefined: it has them. */
export function missingIdentity(set: StatefulSet, pod: Pod): Record<string, string> | undefined {
  const ordinal = ordinalOf(set, pod);
  const name = podName(set, ordinal);
  if (ordinal < 0 || pod.metadata.labels?.[POD_NAME_LABEL] === name) return undefined;
  return { [POD_NAME_LABEL]: name, [POD_INDEX_LABEL]: String(ordinal) };
}
