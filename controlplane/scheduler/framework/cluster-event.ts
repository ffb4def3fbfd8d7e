/**
 * What may happen in a cluster that could make a waiting pod fit. Names follow upstream's (`framework.ClusterEvent`).
 */
import type { Pod } from '../../../proto/api/core-v1.ts';

/** Kinds whose changes plugins can ask for. */
export type EventResource =
  | 'Node'
  /** A pod with a node; its actions are told from those of the waiting pod itself by `Assigned…`. */
  | 'Pod'
  | 'Namespace'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment';

/**
 * `AssignedPod…`: of pods that have a node. `UpdatePod…`: of the waiting pod itself and of pods with a node alike, as upstream;
 * `UpdatePodScaleDown` is a request that shrank. `Update` is any other change, and for kinds beside Node and Pod every change.
 */
export type ActionType =
  | 'Add'
  | 'Delete'
  | 'Update'
  | 'UpdateNodeAllocatable'
  | 'UpdateNodeLabel'
  | 'UpdateNodeTaint'
  | 'UpdateNodeCondition'
  | 'UpdateNodeAnnotation'
  | 'AssignedPodAdd'
  | 'AssignedPodDelete'
  | 'UpdatePodLabel'
  | 'UpdatePodScaleDown'
  | 'UpdatePodToleration'
  | 'UpdatePodSchedulingGatesEliminated';

/**
 * An event that may make a pod fit which the plugin turned down.
 *
 * `hint` looks whether it does for this pod: `older` is undefined when an object was added, `newer` when it was deleted. Without a hint every such
 * event counts. It must not throw; if it does, the event counts.
 */
export interface ClusterEvent {
  readonly resource: EventResource;
  readonly actions: readonly ActionType[];
  hint?(pod: Pod, older: unknown, newer: unknown): 'queue' | 'skip';
}
