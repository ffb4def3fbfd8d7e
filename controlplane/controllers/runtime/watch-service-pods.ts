/**
 * Queues the services whose endpoints a change of a pod or service may touch.
 */
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { hasPodSelector } from './plan/service-endpoints.ts';
import { isPodReady } from './plan/pod-state.ts';

export function watchServicePods(queue: WorkQueue, services: Informer<Service>, pods: Informer<Pod>): void {
  const wake = (pod: Pod): void => {
    for (const service of services.lister.list(pod.metadata.namespace)) {
      if (selects(service, pod)) queue.add(keyOf(service));
    }
  };
  services.addHandler({
    onAdd: service => queue.add(keyOf(service)),
    onUpdate: (_older, service) => queue.add(keyOf(service)),
    onDelete: service => queue.add(keyOf(service)),
  });
  pods.addHandler({
    onAdd: wake,
    onUpdate: (older, pod) => {
      if (!matters(older, pod)) return;
      wake(pod);
      if (!jsonEquals(older.metadata.labels, pod.metadata.labels)) wake(older);
    },
    onDelete: wake,
  });
}

export function selects(service: Service, pod: Pod): boolean {
  if (!hasPodSelector(service)) return false;
  const labels = pod.metadata.labels ?? {};
  return Object.entries(service.spec?.selector ?? {}).every(([name, value]) => labels[name] === value);
}

function matters(older: Pod, pod: Pod): boolean {
  return (
    older.status?.podIP !== pod.status?.podIP ||
    older.status?.phase !== pod.status?.phase ||
    isPodReady(older) !== isPodReady(pod) ||
    older.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    older.spec?.nodeName !== pod.spec?.nodeName ||
    older.spec?.hostname !== pod.spec?.hostname ||
    !jsonEquals(older.status?.podIPs, pod.status?.podIPs) ||
    !jsonEquals(older.metadata.labels, pod.metadata.labels)
  );
}
