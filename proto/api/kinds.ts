/**
 * The one list of built-in kinds: what each is called, where it lives, and which type of the schema table it has.
 * Names, short names and categories are upstream's (`kubectl api-resources` of Kubernetes 1.36).
 */

/** What a kind is called and where it lives. Custom resources have one too, made at run time. */
export interface KindInfo {
  /** API group; empty for core. */
  group: string;
  version: string;
  kind: string;
  /** Plural resource name, as in the path. */
  resource: string;
  singular: string;
  namespaced: boolean;
  shortNames: readonly string[];
  /** `all` makes `kubectl get all` list it. */
  categories: readonly string[];
  /** Package key of the type in the schema table (`api/core/v1`); the type has the kind's name. */
  typePackage: string;
}

type Row = readonly [kind: string, resource: string, scope: 'ns' | 'cluster', shortNames?: string, categories?: string];

function groupVersion(group: string, version: string, typePackage: string, rows: readonly Row[]): KindInfo[] {
  return rows.map(([kind, resource, scope, shortNames = '', categories = '']) => ({
    group,
    version,
    kind,
    resource,
    singular: kind.toLowerCase(),
    namespaced: scope === 'ns',
    shortNames: shortNames === '' ? [] : shortNames.split(','),
    categories: categories === '' ? [] : categories.split(','),
    typePackage,
  }));
}

/** Every built-in kind that is stored, in discovery order. */
export const kinds: readonly KindInfo[] = [
  ...groupVersion('', 'v1', 'api/core/v1', [
    ['ConfigMap', 'configmaps', 'ns', 'cm'],
    ['Endpoints', 'endpoints', 'ns', 'ep'],
    ['Event', 'events', 'ns', 'ev'],
    ['LimitRange', 'limitranges', 'ns', 'limits'],
    ['Namespace', 'namespaces', 'cluster', 'ns'],
    ['Node', 'nodes', 'cluster', 'no'],
    ['PersistentVolumeClaim', 'persistentvolumeclaims', 'ns', 'pvc'],
    ['PersistentVolume', 'persistentvolumes', 'cluster', 'pv'],
    ['Pod', 'pods', 'ns', 'po', 'all'],
    ['PodTemplate', 'podtemplates', 'ns'],
    ['ReplicationController', 'replicationcontrollers', 'ns', 'rc', 'all'],
    ['ResourceQuota', 'resourcequotas', 'ns', 'quota'],
    ['Secret', 'secrets', 'ns'],
    ['ServiceAccount', 'serviceaccounts', 'ns', 'sa'],
    ['Service', 'services', 'ns', 'svc', 'all'],
  ]),
  ...groupVersion('admissionregistration.k8s.io', 'v1', 'api/admissionregistration/v1', [
    ['MutatingAdmissionPolicy', 'mutatingadmissionpolicies', 'cluster', '', 'api-extensions'],
    ['MutatingAdmissionPolicyBinding', 'mutatingadmissionpolicybindings', 'cluster', '', 'api-extensions'],
    ['MutatingWebhookConfiguration', 'mutatingwebhookconfigurations', 'cluster', '', 'api-extensions'],
    ['ValidatingAdmissionPolicy', 'validatingadmissionpolicies', 'cluster', '', 'api-extensions'],
    ['ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings', 'cluster', '', 'api-extensions'],
    ['ValidatingWebhookConfiguration', 'validatingwebhookconfigurations', 'cluster', '', 'api-extensions'],
  ]),
  ...groupVersion('apps', 'v1', 'api/apps/v1', [
    ['ControllerRevision', 'controllerrevisions', 'ns'],
    ['DaemonSet', 'daemonsets', 'ns', 'ds', 'all'],
    ['Deployment', 'deployments', 'ns', 'deploy', 'all'],
    ['ReplicaSet', 'replicasets', 'ns', 'rs', 'all'],
    ['StatefulSet', 'statefulsets', 'ns', 'sts', 'all'],
  ]),
  ...groupVersion('autoscaling', 'v2', 'api/autoscaling/v2', [
    ['HorizontalPodAutoscaler', 'horizontalpodautoscalers', 'ns', 'hpa', 'all'],
  ]),
  ...groupVersion('autoscaling', 'v1', 'api/autoscaling/v1', [
    ['HorizontalPodAutoscaler', 'horizontalpodautoscalers', 'ns', 'hpa', 'all'],
  ]),
  ...groupVersion('batch', 'v1', 'api/batch/v1', [
    ['CronJob', 'cronjobs', 'ns', 'cj', 'all'],
    ['Job', 'jobs', 'ns', '', 'all'],
  ]),
  ...groupVersion('certificates.k8s.io', 'v1', 'api/certificates/v1', [
    ['CertificateSigningRequest', 'certificatesigningrequests', 'cluster', 'csr'],
  ]),
  ...groupVersion('coordination.k8s.io', 'v1', 'api/coordination/v1', [['Lease', 'leases', 'ns']]),
  ...groupVersion('discovery.k8s.io', 'v1', 'api/discovery/v1', [['EndpointSlice', 'endpointslices', 'ns']]),
  ...groupVersion('events.k8s.io', 'v1', 'api/events/v1', [['Event', 'events', 'ns', 'ev']]),
  ...groupVersion('flowcontrol.apiserver.k8s.io', 'v1', 'api/flowcontrol/v1', [
    ['FlowSchema', 'flowschemas', 'cluster'],
    ['PriorityLevelConfiguration', 'prioritylevelconfigurations', 'cluster'],
  ]),
  ...groupVersion('networking.k8s.io', 'v1', 'api/networking/v1', [
    ['IngressClass', 'ingressclasses', 'cluster'],
    ['Ingress', 'ingresses', 'ns', 'ing'],
    ['IPAddress', 'ipaddresses', 'cluster', 'ip'],
    ['NetworkPolicy', 'networkpolicies', 'ns', 'netpol'],
    ['ServiceCIDR', 'servicecidrs', 'cluster'],
  ]),
  ...groupVersion('node.k8s.io', 'v1', 'api/node/v1', [['RuntimeClass', 'runtimeclasses', 'cluster']]),
  ...groupVersion('policy', 'v1', 'api/policy/v1', [['PodDisruptionBudget', 'poddisruptionbudgets', 'ns', 'pdb']]),
  ...groupVersion('rbac.authorization.k8s.io', 'v1', 'api/rbac/v1', [
    ['ClusterRoleBinding', 'clusterrolebindings', 'cluster'],
    ['ClusterRole', 'clusterroles', 'cluster'],
    ['RoleBinding', 'rolebindings', 'ns'],
    ['Role', 'roles', 'ns'],
  ]),
  ...groupVersion('resource.k8s.io', 'v1', 'api/resource/v1', [
    ['DeviceClass', 'deviceclasses', 'cluster'],
    ['ResourceClaim', 'resourceclaims', 'ns'],
    ['ResourceClaimTemplate', 'resourceclaimtemplates', 'ns'],
    ['ResourceSlice', 'resourceslices', 'cluster'],
  ]),
  ...groupVersion('scheduling.k8s.io', 'v1', 'api/scheduling/v1', [
    ['PriorityClass', 'priorityclasses', 'cluster', 'pc'],
  ]),
  ...groupVersion('storage.k8s.io', 'v1', 'api/storage/v1', [
    ['CSIDriver', 'csidrivers', 'cluster'],
    ['CSINode', 'csinodes', 'cluster'],
    ['CSIStorageCapacity', 'csistoragecapacities', 'ns'],
    ['StorageClass', 'storageclasses', 'cluster', 'sc'],
    ['VolumeAttachment', 'volumeattachments', 'cluster'],
    ['VolumeAttributesClass', 'volumeattributesclasses', 'cluster', 'vac'],
  ]),
];

/** Old versions of kinds above, for old clients: served when asked for by `--runtime-config`, stored as the newest version. */
export const betaKinds: readonly KindInfo[] = [
  ...groupVersion('batch', 'v1beta1', 'api/batch/v1beta1', [['CronJob', 'cronjobs', 'ns', 'cj', 'all']]),
  ...groupVersion('discovery.k8s.io', 'v1beta1', 'api/discovery/v1beta1', [['EndpointSlice', 'endpointslices', 'ns']]),
  ...groupVersion('policy', 'v1beta1', 'api/policy/v1beta1', [
    ['PodDisruptionBudget', 'poddisruptionbudgets', 'ns', 'pdb'],
  ]),
];
