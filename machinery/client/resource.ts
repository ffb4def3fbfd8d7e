/**
 * Typed names of resources: `client.of(pods).get({ namespace, name })` knows that it returns a Pod. One constant a kind that k8ts itself uses.
 */
import type { ValidatingAdmissionPolicy } from '../../proto/api/admissionregistration-v1.ts';
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../proto/api/apps-v1.ts';
import type { HorizontalPodAutoscaler } from '../../proto/api/autoscaling-v2.ts';
import type { CronJob, Job } from '../../proto/api/batch-v1.ts';
import type { CertificateSigningRequest } from '../../proto/api/certificates-v1.ts';
import type { Lease } from '../../proto/api/coordination-v1.ts';
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { kinds, type KindInfo } from '../../proto/api/kinds.ts';
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import type { IPAddress, NetworkPolicy, ServiceCIDR } from '../../proto/api/networking-v1.ts';
import type { RuntimeClass } from '../../proto/api/node-v1.ts';
import type { PodDisruptionBudget } from '../../proto/api/policy-v1.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../proto/api/rbac-v1.ts';
import type { PriorityClass } from '../../proto/api/scheduling-v1.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../proto/api/storage-v1.ts';

/** What every stored object has. */
export interface AnyObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: ObjectMeta;
}

/** A resource whose objects are `T`. The type parameter exists for the compiler alone. */
export interface Resource<T extends AnyObject> {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set. */
  readonly __object?: T;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(r: { group: string; version: string }): string {
  return r.group === '' ? r.version : `${r.group}/${r.version}`;
}

function builtin<T extends AnyObject>(group: string, kind: string): Resource<T> {
  const info = kinds.find((k: KindInfo) => k.group === group && k.kind === kind);
  if (info === undefined) throw new Error(`no built-in kind ${kind} in group "${group}"`);
  return info;
}

export const configMaps = builtin<ConfigMap>('', 'ConfigMap');
export const endpoints = builtin<Endpoints>('', 'Endpoints');
export const events = builtin<Event>('', 'Event');
export const namespaces = builtin<Namespace>('', 'Namespace');
export const nodes = builtin<Node>('', 'Node');
export const persistentVolumeClaims = builtin<PersistentVolumeClaim>('', 'PersistentVolumeClaim');
export const persistentVolumes = builtin<PersistentVolume>('', 'PersistentVolume');
export const pods = builtin<Pod>('', 'Pod');
export const replicationControllers = builtin<ReplicationController>('', 'ReplicationController');
export const resourceQuotas = builtin<ResourceQuota>('', 'ResourceQuota');
export const secrets = builtin<Secret>('', 'Secret');
export const serviceAccounts = builtin<ServiceAccount>('', 'ServiceAccount');
export const services = builtin<Service>('', 'Service');
export const controllerRevisions = builtin<ControllerRevision>('apps', 'ControllerRevision');
export const daemonSets = builtin<DaemonSet>('apps', 'DaemonSet');
export const deployments = builtin<Deployment>('apps', 'Deployment');
export const replicaSets = builtin<ReplicaSet>('apps', 'ReplicaSet');
export const statefulSets = builtin<StatefulSet>('apps', 'StatefulSet');
export const horizontalPodAutoscalers = builtin<HorizontalPodAutoscaler>('autoscaling', 'HorizontalPodAutoscaler');
export const cronJobs = builtin<CronJob>('batch', 'CronJob');
export const jobs = builtin<Job>('batch', 'Job');
export const certificateSigningRequests = builtin<CertificateSigningRequest>(
  'certificates.k8s.io',
  'CertificateSigningRequest',
);
export const leases = builtin<Lease>('coordination.k8s.io', 'Lease');
export const endpointSlices = builtin<EndpointSlice>('discovery.k8s.io', 'EndpointSlice');
export const ipAddresses = builtin<IPAddress>('networking.k8s.io', 'IPAddress');
export const serviceCidrs = builtin<ServiceCIDR>('networking.k8s.io', 'ServiceCIDR');
export const networkPolicies = builtin<NetworkPolicy>('networking.k8s.io', 'NetworkPolicy');
export const podDisruptionBudgets = builtin<PodDisruptionBudget>('policy', 'PodDisruptionBudget');
export const runtimeClasses = builtin<RuntimeClass>('node.k8s.io', 'RuntimeClass');
export const clusterRoles = builtin<ClusterRole>('rbac.authorization.k8s.io', 'ClusterRole');
export const clusterRoleBindings = builtin<ClusterRoleBinding>('rbac.authorization.k8s.io', 'ClusterRoleBinding');
export const priorityClasses = builtin<PriorityClass>('scheduling.k8s.io', 'PriorityClass');
export const storageClasses = builtin<StorageClass>('storage.k8s.io', 'StorageClass');
export const csiDrivers = builtin<CSIDriver>('storage.k8s.io', 'CSIDriver');
export const csiNodes = builtin<CSINode>('storage.k8s.io', 'CSINode');
export const csiStorageCapacities = builtin<CSIStorageCapacity>('storage.k8s.io', 'CSIStorageCapacity');
export const volumeAttachments = builtin<VolumeAttachment>('storage.k8s.io', 'VolumeAttachment');
export const roles = builtin<Role>('rbac.authorization.k8s.io', 'Role');
export const roleBindings = builtin<RoleBinding>('rbac.authorization.k8s.io', 'RoleBinding');
export const validatingAdmissionPolicies = builtin<ValidatingAdmissionPolicy>(
  'admissionregistration.k8s.io',
  'ValidatingAdmissionPolicy',
);
