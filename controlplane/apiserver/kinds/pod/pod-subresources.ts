/**
 * Parts of a pod that are changed each by a request of its own: status, ephemeralcontainers, resize.
 * Source: Kubernetes `pkg/registry/core/pod`, 1.36.
 */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { SubresourceStrategy } from '../../registry/strategy.ts';
import { checkPodSpec } from './validate-pod-spec.ts';

const SPEC = FieldPath.of('spec');

export const podStatus: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    pod.spec = older.spec;
    pod.metadata.ownerReferences = older.metadata.ownerReferences;
    const qos = older.status?.qosClass;
    if (pod.status !== undefined && !pod.status.qosClass && qos !== undefined) pod.status.qosClass = qos;
  },
  validateUpdate(pod, older) {
    const errors: FieldError[] = [];
    const status = FieldPath.of('status');
    if (older.status?.qosClass && pod.status?.qosClass !== older.status.qosClass) {
      errors.push(invalidError(status.child('qosClass'), pod.status?.qosClass ?? '', 'field is immutable'));
    }
    return errors;
  },
};

export const podEphemeralContainers: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    const { ephemeralContainers } = pod.spec;
    pod.spec = { ...older.spec, ephemeralContainers };
    pod.status = older.status;
  },
  validateUpdate(pod, older) {
    const errors: FieldError[] = [];
    checkPodSpec(errors, SPEC, pod.spec, true);
    const at = SPEC.child('ephemeralContainers');
    const now = new Map((pod.spec.ephemeralContainers ?? []).map(container => [container.name, container]));
    for (const container of older.spec.ephemeralContainers ?? []) {
      const same = now.get(container.name);
      if (same === undefined) {
        errors.push(forbiddenError(at, `existing ephemeral containers "${container.name}" may not be removed\n`));
      } else if (!jsonEquals(same, container)) {
        errors.push(forbiddenError(at, `existing ephemeral containers "${container.name}" may not be changed\n`));
      }
    }
    return errors;
  },
};

export const podResize: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    const spec = deepCopy(older.spec);
    takeResources(spec.containers, pod.spec.containers);
    takeResources(spec.initContainers, pod.spec.initContainers);
    if (pod.spec.resources !== undefined) spec.resources = pod.spec.resources;
    pod.spec = spec;
    pod.status = older.status;
  },
  validateUpdate(pod, older) {
    const errors: FieldError[] = [];
    checkPodSpec(errors, SPEC, pod.spec, true);
    if (older.spec.os?.name === 'windows') errors.push(forbiddenError(SPEC, 'windows pods cannot be resized'));
    // Nodes give a container its share when they make it, and never again: taking the change would be a promise that nobody keeps.
    if (!jsonEquals(pod.spec, older.spec))
      errors.push(forbiddenError(SPEC, 'nodes of this cluster cannot resize containers that run; replace the pod'));
    return errors;
  },
};

function takeResources(into: readonly Container[] | undefined, from: readonly Container[] | undefined): void {
  for (const container of into ?? []) {
    const wanted = from?.find(other => other.name === container.name);
    if (wanted === undefined) continue;
    container.resources = wanted.resources;
    if (wanted.resizePolicy !== undefined) container.resizePolicy = wanted.resizePolicy;
  }
}
