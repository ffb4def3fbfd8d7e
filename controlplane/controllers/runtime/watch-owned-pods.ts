/**
 * Queues the owners that a change of a pod concerns: its controller, or, for an orphan, everybody who could adopt it.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, keyOf, objectKey } from '../../../machinery/meta/object.ts';
import type { PendingWrites } from './pending-writes.ts';

export interface OwnedPods<T extends AnyObject> {
  queue: WorkQueue;
  owners: Informer<T>;
  pods: Informer<Pod>;
  pending: PendingWrites<Pod>;
  selectorOf(owner: T): LabelSelector;
}

export function watchOwnedPods<T extends AnyObject>(options: OwnedPods<T>): void {
  const { queue, owners, pods, pending, selectorOf } = options;
  const wakeMatching = (pod: Pod): void => {
    for (const owner of owners.lister.list(pod.metadata.namespace)) {
      const selector = selectorOf(owner);
      if (!selector.isEmpty && selector.matches(pod.metadata.labels)) queue.add(keyOf(owner));
    }
  };
  const onPod = (pod: Pod, gone: boolean): void => {
    const owner = controllerOf(pod);
    if (owner === undefined) {
      if (!gone && pod.metadata.deletionTimestamp === undefined) wakeMatching(pod);
    } else if (owner.kind === owners.resource.kind) {
      pending.seen(owner.uid, pod, gone);
      queue.add(objectKey(pod.metadata.namespace ?? '', owner.name));
    }
  };
  pods.addHandler({
    onAdd: pod => onPod(pod, false),
    onUpdate: (older, pod) => {
      if (controllerOf(older)?.uid !== controllerOf(pod)?.uid) onPod(older, true);
      onPod(pod, false);
    },
    onDelete: pod => onPod(pod, true),
  });
  owners.addHandler({
    onAdd: owner => queue.add(keyOf(owner)),
    onUpdate: (_older, owner) => queue.add(keyOf(owner)),
    onDelete: owner => {
      pending.forget(owner.metadata.uid ?? '');
      queue.add(keyOf(owner));
    },
  });
}
