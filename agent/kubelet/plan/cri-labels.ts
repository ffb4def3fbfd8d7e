/**
 * The labels and annotations on sandboxes and containers with which a kubelet that restarts finds its pods again. Their names are
 * upstream's, so that crictl and other tools understand them.
 */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import { uidOf } from './pod-spec.ts';
import { APPLIED_ANNOTATION, resourcesToApply } from '../allocations/plan/applied-resources.ts';
import { containerHash } from './container-hash.ts';

/** Names on the wire. */
export const CRI_KEYS = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  ports: 'io.kubernetes.container.ports',
  preStop: 'io.kubernetes.container.preStopHandler',
  deletionGracePeriod: 'io.kubernetes.pod.deletionGracePeriod',
  terminationGracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  /** Ours: what the pod wants to be stopped with. */
  stopSignal: 'k8ts.io/stop-signal',
  /** Ours: where on the node the termination message file is. */
  terminationMessageFile: 'k8ts.io/termination-message-file',
} as const;

/** Labels by which sandboxes and containers are found. */
export function podLabels(pod: Pod): Record<string, string> {
  return {
    [CRI_KEYS.podName]: pod.metadata.name ?? '',
    [CRI_KEYS.podNamespace]: pod.metadata.namespace ?? '',
    [CRI_KEYS.podUid]: uidOf(pod),
  };
}

/** Labels of a sandbox: the pod's own ones too, ours win. */
export function sandboxLabels(pod: Pod): Record<string, string> {
  return { ...pod.metadata.labels, ...podLabels(pod) };
}

export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  return { ...podLabels(pod), [CRI_KEYS.containerName]: container.name };
}

/** Everything that stopping the container needs when its pod is gone from the API. */
export function containerAnnotations(
  pod: Pod,
  container: Container,
  attempt: number,
  terminationMessageFile: string,
): Record<string, string> {
  const annotations: Record<string, string> = {
    [CRI_KEYS.hash]: containerHash(container),
    [CRI_KEYS.restartCount]: String(attempt),
    [CRI_KEYS.terminationMessagePath]: container.terminationMessagePath ?? '/dev/termination-log',
    [CRI_KEYS.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
    [CRI_KEYS.terminationMessageFile]: terminationMessageFile,
    [APPLIED_ANNOTATION]: JSON.stringify(resourcesToApply(pod, container)),
  };
  const grace = pod.spec.terminationGracePeriodSeconds;
  if (grace !== undefined) annotations[CRI_KEYS.terminationGracePeriod] = String(grace);
  if (container.lifecycle?.preStop !== undefined)
    annotations[CRI_KEYS.preStop] = JSON.stringify(container.lifecycle.preStop);
  if (container.lifecycle?.stopSignal !== undefined) annotations[CRI_KEYS.stopSignal] = container.lifecycle.stopSignal;
  if ((container.ports ?? []).length > 0) annotations[CRI_KEYS.ports] = JSON.stringify(container.ports);
  return annotations;
}
