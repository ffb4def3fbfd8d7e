/**
 * Parts of a pod that are changed each by a request of its own: status and ephemeralcontainers (and resize, in its own file).
 * Source: Kubernetes `pkg/registry/core/pod/strategy.go`, `pkg/apis/core/validation`, 1.36.
 */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { SubresourceStrategy } from '../../registry/strategy.ts';
import { checkAnnotationChange, MIRROR_ANNOTATION } from '../../../../machinery/pods/validate-pod-annotations.ts';
import { checkPod } from '../../../../machinery/pods/validate-pod.ts';
import { validatePodStatus } from './validate-pod-status.ts';

const EPHEMERAL = FieldPath.of('spec', 'ephemeralContainers');

export const podStatus: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    pod.spec = older.spec;
    keepField(pod, older, 'ownerReferences');
    const { status } = pod;
    if (status === undefined) return;
    // Old nodes leave these out of what they write; they stay.
    if (!status.qosClass && older.status?.qosClass !== undefined) status.qosClass = older.status.qosClass;
    keepGenerations(pod, older);
  },
  validateUpdate: validatePodStatus,
};

export const podEphemeralContainers: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    const { ephemeralContainers } = pod.spec;
    keepMetadata(pod, older);
    pod.spec = { ...older.spec };
    if (ephemeralContainers === undefined) delete pod.spec.ephemeralContainers;
    else pod.spec.ephemeralContainers = ephemeralContainers;
    if (older.status === undefined) delete pod.status;
    else pod.status = older.status;
  },
  validateUpdate(pod, older) {
    if (older.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined)
      return [forbiddenError('', 'static pods do not support ephemeral containers')];
    const errors: FieldError[] = [];
    checkPod(errors, pod);
    checkAnnotationChange(errors, pod, older);
    const now = new Map((pod.spec.ephemeralContainers ?? []).map(container => [container.name, container]));
    for (const container of older.spec.ephemeralContainers ?? []) {
      const same = now.get(container.name);
      if (same === undefined) {
        const why = `existing ephemeral containers "${container.name}" may not be removed\n`;
        errors.push(forbiddenError(EPHEMERAL, why));
      } else if (!jsonEquals(same, container)) {
        const why = `existing ephemeral containers "${container.name}" may not be changed\n`;
        errors.push(forbiddenError(EPHEMERAL, why));
      }
    }
    return errors;
  },
};

const KEPT_METADATA = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

/** Subresources leave what people write into metadata as it is. */
export function keepMetadata(pod: Pod, older: Pod): void {
  for (const field of KEPT_METADATA) keepField(pod, older, field);
}

function keepField(pod: Pod, older: Pod, field: (typeof KEPT_METADATA)[number]): void {
  if (older.metadata[field] === undefined) Reflect.deleteProperty(pod.metadata, field);
  else Object.assign(pod.metadata, { [field]: older.metadata[field] });
}

/** Which generation a status speaks of is kept when a writer does not say. */
function keepGenerations({ status }: Pod, { status: was }: Pod): void {
  if (status === undefined || was === undefined) return;
  if (!status.observedGeneration && was.observedGeneration) status.observedGeneration = was.observedGeneration;
  const before = new Map<string, (number | undefined)[]>();
  for (const { type, observedGeneration } of was.conditions ?? [])
    before.set(type, [...(before.get(type) ?? []), observedGeneration]);
  for (const condition of status.conditions ?? []) {
    const generation = before.get(condition.type)?.shift();
    if (!condition.observedGeneration && generation) condition.observedGeneration = generation;
  }
}
