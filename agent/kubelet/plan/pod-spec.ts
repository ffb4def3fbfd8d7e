/** Small questions asked of a pod's spec everywhere in the kubelet. */
import type { Container, EphemeralContainer, Pod } from '../../../proto/api/core-v1.ts';

/** Where in the spec a container stands. */
export type ContainerRole = 'init' | 'sidecar' | 'main' | 'ephemeral';

/** A container with its role. */
export interface RoledContainer {
  readonly container: Container;
  readonly role: ContainerRole;
}

/** Whether this init container keeps running beside the main ones (KEP-753). */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Init containers that must end before the main ones start. */
export function roleOfInit(container: Container): ContainerRole {
  return isSidecar(container) ? 'sidecar' : 'init';
}

/** Every container in the order in which they start. An ephemeral one is a Container but for the fields it may not have. */
export function allContainers(pod: Pod): RoledContainer[] {
  return [
    ...(pod.spec.initContainers ?? []).map(container => ({ container, role: roleOfInit(container) })),
    ...pod.spec.containers.map(container => ({ container, role: 'main' as const })),
    ...(pod.spec.ephemeralContainers ?? []).map(container => ({
      container: asContainer(container),
      role: 'ephemeral' as const,
    })),
  ];
}

/** The container of that name, whatever its role. */
export function findContainer(pod: Pod, name: string): RoledContainer | undefined {
  return allContainers(pod).find(({ container }) => container.name === name);
}

/** An ephemeral container as the rest of the kubelet sees it. */
export function asContainer(ephemeral: EphemeralContainer): Container {
  const { targetContainerName: _, ...container } = ephemeral;
  return container;
}

/** `name_namespace(uid)`, as texts of statuses and events name pods. */
export function podText(pod: Pod): string {
  const { name = '', namespace = '' } = pod.metadata;
  return `${name}_${namespace}(${uidOf(pod)})`;
}

/** The pod's UID; every pod that reaches a worker has one. */
export function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? '';
}

/** Whether the pod has ended for good as far as the API says. */
export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Seconds that the pod's processes get to end by themselves, counted from its deletion. */
export function gracePeriodSeconds(pod: Pod): number {
  const asked = pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  return Math.max(0, asked);
}
