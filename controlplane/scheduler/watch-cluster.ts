/** What happens in the cluster, told to the scheduler's cache and queue. */
import type { InformerFactory } from '../../machinery/client/informer.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
  volumeAttachments,
  type AnyObject,
  type Resource,
} from '../../machinery/client/resource.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import type { EventResource } from './framework/cluster-event.ts';
import type { Nominator } from './framework/nominator.ts';
import type { WaitingPods } from './framework/waiting-pods.ts';
import { nodeActions, podActions, podLeft } from './queue/cluster-change.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';

export interface ClusterWatchers {
  readonly informers: InformerFactory;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  readonly waitingPods: WaitingPods;
  /** Whether the pod is ours to schedule. */
  isOurs(pod: Pod): boolean;
  /** Kinds beside Node and Pod that plugins wait for. */
  readonly resources: ReadonlySet<EventResource>;
}

const FINISHED = new Set(['Succeeded', 'Failed']);

const OTHERS: ReadonlyMap<EventResource, Resource<AnyObject>> = new Map([
  ['Namespace', namespaces as Resource<AnyObject>],
  ['PersistentVolume', persistentVolumes as Resource<AnyObject>],
  ['PersistentVolumeClaim', persistentVolumeClaims as Resource<AnyObject>],
  ['StorageClass', storageClasses as Resource<AnyObject>],
  ['CSINode', csiNodes as Resource<AnyObject>],
  ['CSIDriver', csiDrivers as Resource<AnyObject>],
  ['CSIStorageCapacity', csiStorageCapacities as Resource<AnyObject>],
  ['VolumeAttachment', volumeAttachments as Resource<AnyObject>],
]);

/** @returns what ends it */
export function watchCluster(watchers: ClusterWatchers): () => void {
  const { informers, resources } = watchers;
  const ends = [watchNodes(watchers), watchPods(watchers)];
  for (const [kind, resource] of OTHERS)
    if (resources.has(kind)) ends.push(watchOthers(kind, resource, informers, watchers.queue));
  return () => {
    for (const end of ends) end();
  };
}

function watchNodes({ informers, cache, queue }: ClusterWatchers): () => void {
  return informers.informer(nodes).addHandler({
    onAdd(node) {
      cache.setNode(node);
      queue.notify({ resource: 'Node', actions: ['Add'], older: undefined, newer: node });
    },
    onUpdate(older, newer) {
      cache.setNode(newer);
      const actions = nodeActions(older, newer);
      if (actions.length > 0) queue.notify({ resource: 'Node', actions, older, newer });
    },
    onDelete(node) {
      cache.removeNode(node.metadata.name ?? '');
      queue.notify({ resource: 'Node', actions: ['Delete'], older: node, newer: undefined });
    },
  });
}

function watchPods(watchers: ClusterWatchers): () => void {
  return watchers.informers.informer(pods).addHandler({
    onAdd: pod => onPod(watchers, pod, undefined),
    onUpdate: (older, newer) => onPod(watchers, newer, older),
    onDelete: pod => onPodGone(watchers, pod),
  });
}

function onPod(watchers: ClusterWatchers, pod: Pod, older: Pod | undefined): void {
  if (FINISHED.has(pod.status?.phase ?? '')) return onPodGone(watchers, pod);
  const { cache, queue, nominator } = watchers;
  const { uid = '' } = pod.metadata;
  const nodeName = pod.spec.nodeName ?? '';
  if (nodeName === '') return onPodWithoutNode(watchers, pod, older);
  queue.remove(uid);
  const kept = nominator.nodeOf(uid);
  nominator.forget(uid);
  cache.setPod(pod, nodeName);
  if (kept !== undefined && kept !== nodeName) queue.notify(podLeft(pod, kept));
  const isNew = older === undefined || (older.spec.nodeName ?? '') === '';
  const actions = isNew ? (['AssignedPodAdd'] as const) : podActions(older, pod);
  queue.notify({ resource: 'Pod', actions, older: isNew ? undefined : older, newer: pod });
}

function onPodWithoutNode(watchers: ClusterWatchers, pod: Pod, older: Pod | undefined): void {
  const { isOurs, cache, queue, nominator, waitingPods } = watchers;
  if (!isOurs(pod)) return;
  const { uid = '' } = pod.metadata;
  const olderNominated = older?.status?.nominatedNodeName ?? '';
  const kept = nominator.nodeOf(uid) ?? olderNominated;
  const nominated = pod.status?.nominatedNodeName ?? '';
  const isGoing = pod.metadata.deletionTimestamp !== undefined;
  if (isGoing) nominator.forget(uid);
  // One that is being bound counts on its node already, and must not count twice.
  else if (nominated !== '' && cache.nodeOf(uid) === undefined) nominator.nominate(pod, nominated);
  // Where neither says so, room was made for it and is not written yet.
  else if (nominated === '' && olderNominated !== '') nominator.forget(uid);
  if (isGoing) {
    queue.remove(uid);
    waitingPods.reject(uid, '', 'the pod is being deleted');
  } else queue.set(pod);
  const isFree = cache.nodeOf(uid) === undefined && nominator.nodeOf(uid) !== kept;
  if (kept !== '' && isFree) queue.notify(podLeft(pod, kept), uid);
}

function onPodGone({ cache, queue, nominator, waitingPods }: ClusterWatchers, pod: Pod): void {
  const { uid = '' } = pod.metadata;
  queue.remove(uid);
  waitingPods.reject(uid, '', 'the pod is gone');
  const nodeName = cache.nodeOf(uid) ?? nominator.nodeOf(uid);
  nominator.forget(uid);
  // Hints ask for its ports, labels and claims, of which a finished pod has nothing left here.
  const known = cache.removePod(uid) ?? pod;
  if (nodeName !== undefined) queue.notify(podLeft(known, nodeName));
}

function watchOthers(
  kind: EventResource,
  resource: Resource<AnyObject>,
  informers: InformerFactory,
  queue: SchedulingQueue,
): () => void {
  return informers.informer(resource).addHandler({
    onAdd: newer => queue.notify({ resource: kind, actions: ['Add'], older: undefined, newer }),
    onUpdate: (older, newer) => queue.notify({ resource: kind, actions: ['Update'], older, newer }),
    onDelete: older => queue.notify({ resource: kind, actions: ['Delete'], older, newer: undefined }),
  });
}
