/**
 * pods/resize: other amounts of cpu and memory for containers that run, or for the pod as a whole. Nothing else changes here;
 * the node carries it out and tells in the pod's status how far it is.
 *
 * Source: Kubernetes `pkg/registry/core/pod` (resize strategy), `pkg/apis/core/validation` (ValidatePodResize), 1.36; KEP-1287, KEP-5419.
 */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { qosClassOf } from '../../../../machinery/meta/pod-resources.ts';
import type { Container, Pod, ResourceRequirements } from '../../../../proto/api/core-v1.ts';
import type { SubresourceStrategy } from '../../registry/strategy.ts';
import { MIRROR_ANNOTATION } from '../../../../machinery/pods/validate-pod-annotations.ts';
import { keepMetadata } from './pod-subresources.ts';
import { checkPod } from '../../../../machinery/pods/validate-pod.ts';

const SPEC = FieldPath.of('spec');
const LISTS = ['initContainers', 'containers'] as const;
const RESIZABLE = ['cpu', 'memory'] as const;

export const podResize: SubresourceStrategy<Pod> = {
  prepareForUpdate(pod, older) {
    keepMetadata(pod, older);
    pod.status = older.status;
    // Lists that do not fit are left as they are, for validation to refuse.
    if (orderErrors(pod, older).length > 0) return;
    const spec = deepCopy(older.spec);
    for (const list of LISTS) takeResources(spec[list], pod.spec[list]);
    if (pod.spec.resources === undefined) delete spec.resources;
    else spec.resources = pod.spec.resources;
    pod.spec = spec;
  },
  validateUpdate(pod, older) {
    const refused = refusal(older);
    if (refused !== undefined) return [forbiddenError('', refused)];
    const errors: FieldError[] = [];
    checkPod(errors, pod);
    if ((older.status?.qosClass ?? qosClassOf(older)) !== qosClassOf(pod)) {
      const why = 'Pod QOS Class may not change as a result of resizing';
      errors.push(invalidError(SPEC, pod.status?.qosClass ?? '', why));
    }
    if (!nodeResizes(older)) errors.push(forbiddenError(SPEC, 'Pod running on node without support for resize'));
    const disorder = orderErrors(pod, older);
    if (disorder.length > 0) return [...errors, ...disorder];
    for (const list of LISTS) {
      for (const [i, was] of (older.spec[list] ?? []).entries()) {
        const now = pod.spec[list]?.[i];
        if (now === undefined || !isResizable(list, was)) continue;
        checkRemoved(errors, SPEC.child(list).index(i).child('resources'), now.resources, was.resources);
      }
    }
    checkRemoved(errors, SPEC.child('resources'), pod.spec.resources, older.spec.resources);
    checkOnlyResized(errors, pod, older);
    return errors;
  },
};

/** Pods that cannot be resized whatever is asked for. */
function refusal(pod: Pod): string | undefined {
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) return 'static pods cannot be resized';
  return pod.spec.os?.name === 'windows' ? 'windows pods cannot be resized' : undefined;
}

/** A node that can resize reports what it gave the containers that run. */
function nodeResizes({ status }: Pod): boolean {
  const running = (status?.containerStatuses ?? []).find(container => container.state?.running !== undefined);
  return running === undefined || running.resources !== undefined;
}

function orderErrors(pod: Pod, older: Pod): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    const now = pod.spec[list] ?? [];
    const was = older.spec[list] ?? [];
    if (now.length !== was.length) {
      errors.push(forbiddenError(SPEC.child(list), `${list} may not be added or removed on resize`));
      continue;
    }
    for (const [i, container] of now.entries()) {
      if (container.name === was[i]?.name) continue;
      const at = SPEC.child(list).index(i).child('name');
      errors.push(forbiddenError(at, `${list} may not be renamed or reordered on resize`));
    }
  }
  return errors;
}

/** Init containers that end have their share only while they run. */
function isResizable(list: (typeof LISTS)[number], container: Container): boolean {
  return list === 'containers' || container.restartPolicy === 'Always';
}

function checkRemoved(
  errors: FieldError[],
  path: FieldPath,
  now: ResourceRequirements | undefined,
  was: ResourceRequirements | undefined,
): void {
  for (const part of ['requests', 'limits'] as const) {
    const gone = Object.keys(was?.[part] ?? {}).some(name => now?.[part]?.[name] === undefined);
    if (gone) errors.push(forbiddenError(path.child(part), `resource ${part} cannot be removed`));
  }
}

/** With cpu and memory as they were, everything is as it was. */
function checkOnlyResized(errors: FieldError[], pod: Pod, older: Pod): void {
  let otherwise = false;
  for (const list of LISTS) {
    for (const [i, was] of (older.spec[list] ?? []).entries()) {
      const now = pod.spec[list]?.[i];
      if (now === undefined) continue;
      const resizable = isResizable(list, was);
      const kept = { ...now, resources: resizable ? withoutResize(now.resources, was.resources) : now.resources };
      if (jsonEquals(kept, { ...was, resources: was.resources ?? {} })) continue;
      otherwise = true;
      const what = !resizable
        ? 'resources for non-sidecar init containers are immutable'
        : list === 'containers'
          ? 'only cpu and memory resources are mutable'
          : 'only cpu and memory resources for sidecar containers are mutable';
      errors.push(forbiddenError(SPEC, what));
    }
  }
  const plain = (spec: Pod['spec']): object => ({ ...spec, containers: [], initContainers: [], resources: undefined });
  const podLevel = jsonEquals(withoutResize(pod.spec.resources, older.spec.resources), older.spec.resources ?? {});
  if (!otherwise && errors.length === 0 && !(podLevel && jsonEquals(plain(pod.spec), plain(older.spec))))
    errors.push(forbiddenError(SPEC, 'only cpu and memory resources are mutable'));
}

/** `now` with the amounts of cpu and memory that `was` has. */
function withoutResize(
  now: ResourceRequirements | undefined,
  was: ResourceRequirements | undefined,
): ResourceRequirements {
  const kept: ResourceRequirements = { ...now };
  for (const part of ['limits', 'requests'] as const) {
    const amounts = { ...now?.[part] };
    for (const name of RESIZABLE) {
      const before = was?.[part]?.[name];
      if (before === undefined) delete amounts[name];
      else amounts[name] = before;
    }
    if (Object.keys(amounts).length > 0 || was?.[part] !== undefined) kept[part] = amounts;
    else delete kept[part];
  }
  return kept;
}

function takeResources(into: readonly Container[] | undefined, from: readonly Container[] | undefined): void {
  for (const [i, container] of (into ?? []).entries()) {
    const wanted = from?.[i];
    if (wanted === undefined) continue;
    container.resources = wanted.resources ?? {};
    if (wanted.resizePolicy === undefined) delete container.resizePolicy;
    else container.resizePolicy = wanted.resizePolicy;
  }
}
