/**
 * The kinds that keep a number of equal pods. One controller serves both: a ReplicationController is a ReplicaSet with a simpler selector and no
 * count of terminating pods. Pure. Source: upstream `pkg/controller/replication/conversion.go`.
 */
import type { ReplicaSet, ReplicaSetStatus } from '../../../proto/api/apps-v1.ts';
import type { ReplicationController } from '../../../proto/api/core-v1.ts';
import {
  replicaSets,
  replicationControllers,
  type AnyObject,
  type Resource,
} from '../../../machinery/client/resource.ts';

export interface ReplicaKind<T extends AnyObject> {
  readonly controllerName: string;
  readonly resource: Resource<T>;
  /** The same wishes as a ReplicaSet. Shares what lies below with the object: read-only. */
  asReplicaSet(object: T): ReplicaSet;
  /** The object with that status, as far as its kind has the fields. */
  withStatus(object: T, status: ReplicaSetStatus): T;
}

export const replicaSetKind: ReplicaKind<ReplicaSet> = {
  controllerName: 'replicaset-controller',
  resource: replicaSets,
  asReplicaSet: set => set,
  withStatus: (set, status) => ({ ...set, status }),
};

export const replicationControllerKind: ReplicaKind<ReplicationController> = {
  controllerName: 'replication-controller',
  resource: replicationControllers,
  asReplicaSet({ metadata, spec, status }) {
    return { metadata, spec: { ...spec, selector: { matchLabels: spec.selector ?? {} } }, status };
  },
  withStatus(rc, { terminatingReplicas: _, ...status }) {
    return { ...rc, status };
  },
};
