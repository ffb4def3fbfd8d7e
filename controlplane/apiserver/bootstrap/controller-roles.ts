/**
 * What each controller may do: one cluster role and one binding to its service account in kube-system.
 * Source: kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`, 1.36.
 */
import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '../../../proto/api/rbac-v1.ts';
import { account, clusterRole, clusterRoleBinding, READ, rule, urls } from './rules.ts';

const events = rule('create patch update', 'core events.k8s.io', 'events');
const PODS = rule('create delete list patch watch', 'core', 'pods');

const CONTROLLERS: Readonly<Record<string, readonly PolicyRule[]>> = {
  'attachdetach-controller': [
    rule('list watch', 'core', 'persistentvolumes persistentvolumeclaims'),
    rule(READ, 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('list watch', 'core', 'pods'),
    rule('create delete get list watch', 'storage.k8s.io', 'volumeattachments'),
    rule(READ, 'storage.k8s.io', 'csidrivers csinodes'),
    events,
  ],
  'clusterrole-aggregation-controller': [
    rule('escalate get list patch update watch', 'rbac.authorization.k8s.io', 'clusterroles'),
  ],
  'cronjob-controller': [
    rule('get list update watch', 'batch', 'cronjobs'),
    rule('create delete get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'cronjobs/status cronjobs/finalizers'),
    rule('delete list', 'core', 'pods'),
    events,
  ],
  'daemon-set-controller': [
    rule(READ, 'apps', 'daemonsets'),
    rule('update', 'apps', 'daemonsets/status daemonsets/finalizers'),
    rule('list watch', 'core', 'nodes'),
    PODS,
    rule('get', 'core', 'pods'),
    rule('create', 'core', 'pods/binding'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    events,
  ],
  'deployment-controller': [
    rule('get list update watch', 'apps', 'deployments'),
    rule('update', 'apps', 'deployments/status deployments/finalizers'),
    rule('create delete get list patch update watch', 'apps', 'replicasets'),
    rule('get list update watch', 'core', 'pods'),
    events,
  ],
  'disruption-controller': [
    rule(READ, 'apps', 'deployments replicasets statefulsets'),
    rule(READ, 'core', 'replicationcontrollers'),
    rule(READ, 'policy', 'poddisruptionbudgets'),
    rule('update', 'policy', 'poddisruptionbudgets/status'),
    rule('patch update', 'core', 'pods/status'),
    rule(READ, 'core', 'pods'),
    rule('get', '*', '*/scale'),
    events,
  ],
  'endpoint-controller': [
    rule(READ, 'core', 'pods services'),
    rule('create delete get list update', 'core', 'endpoints'),
    rule('create', 'core', 'endpoints/restricted'),
    events,
  ],
  'endpointslice-controller': [
    rule(READ, 'core', 'nodes pods services'),
    rule('update', 'core', 'services/finalizers'),
    rule('create delete get list update watch', 'discovery.k8s.io', 'endpointslices'),
    rule('create', 'discovery.k8s.io', 'endpointslices/restricted'),
    events,
  ],
  'endpointslicemirroring-controller': [
    rule(READ, 'core', 'endpoints services'),
    rule('update', 'core', 'endpoints/finalizers services/finalizers'),
    rule('create delete get list update watch', 'discovery.k8s.io', 'endpointslices'),
    rule('create', 'discovery.k8s.io', 'endpointslices/restricted'),
    events,
  ],
  'ephemeral-volume-controller': [
    rule('update', 'core', 'pods/finalizers'),
    rule(READ, 'core', 'pods'),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    events,
  ],
  'expand-controller': [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule('patch update', 'core', 'persistentvolumeclaims/status'),
    rule(READ, 'core', 'persistentvolumeclaims'),
    rule(READ, 'storage.k8s.io', 'storageclasses'),
    events,
  ],
  'generic-garbage-collector': [
    rule('delete get list patch update watch', '*', '*'),
    urls('get', '/api /api/* /apis /apis/*'),
    events,
  ],
  'horizontal-pod-autoscaler': [
    rule(READ, 'autoscaling', 'horizontalpodautoscalers'),
    rule('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    rule('get update', '*', '*/scale'),
    rule('list', 'core', 'pods'),
    rule('list', 'metrics.k8s.io', 'pods'),
    rule('get list', 'custom.metrics.k8s.io external.metrics.k8s.io', '*'),
    events,
  ],
  'job-controller': [
    rule('get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'jobs/status jobs/finalizers'),
    PODS,
    rule('get patch update', 'core', 'pods'),
    events,
  ],
  'legacy-service-account-token-cleaner': [rule(READ, 'core', 'secrets'), rule('delete patch', 'core', 'secrets')],
  // k8ts's own.
  'local-path-provisioner': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('get list patch watch', 'core', 'nodes'),
    rule(READ, 'storage.k8s.io', 'storageclasses'),
    events,
  ],
  'namespace-controller': [
    rule('delete get list watch', 'core', 'namespaces'),
    rule('update', 'core', 'namespaces/finalize namespaces/status'),
    rule('delete deletecollection get list', '*', '*'),
    urls('get', '/api /api/* /apis /apis/*'),
  ],
  'node-controller': [
    rule('get list patch update delete watch', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status pods/status'),
    rule('delete get list watch', 'core', 'pods'),
    rule(READ, 'coordination.k8s.io', 'leases'),
    rule('create', 'networking.k8s.io', 'clustercidrs'),
    events,
  ],
  'persistent-volume-binder': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('update', 'core', 'persistentvolumes/status persistentvolumeclaims/status'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('create delete get list watch', 'core', 'pods'),
    rule(READ, 'storage.k8s.io', 'storageclasses'),
    rule(READ, 'core', 'nodes'),
    events,
  ],
  'pod-garbage-collector': [
    rule('delete list watch', 'core', 'pods'),
    rule('get list', 'core', 'nodes'),
    rule('patch update', 'core', 'pods/status'),
  ],
  'pv-protection-controller': [rule('get list update watch', 'core', 'persistentvolumes'), events],
  'pvc-protection-controller': [
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule(READ, 'core', 'pods'),
    events,
  ],
  'replicaset-controller': [
    rule('get list update watch', 'apps', 'replicasets'),
    rule('update', 'apps', 'replicasets/status replicasets/finalizers'),
    PODS,
    rule('get', 'core', 'pods'),
    events,
  ],
  'replication-controller': [
    rule('get list update watch', 'core', 'replicationcontrollers'),
    rule('update', 'core', 'replicationcontrollers/status replicationcontrollers/finalizers'),
    PODS,
    rule('get', 'core', 'pods'),
    events,
  ],
  'resource-claim-controller': [
    rule('update', 'core', 'pods/finalizers'),
    rule(READ, 'core', 'pods'),
    rule('create delete get list watch', 'resource.k8s.io', 'resourceclaims'),
    rule('patch update', 'resource.k8s.io', 'resourceclaims resourceclaims/status'),
    rule('update patch', 'core', 'pods/status'),
    events,
  ],
  'resourcequota-controller': [
    rule('list watch', '*', '*'),
    rule('update', 'core', 'resourcequotas/status'),
    urls('get', '/api /api/* /apis /apis/*'),
    events,
  ],
  'root-ca-cert-publisher': [
    rule('create get list update watch', 'core', 'configmaps'),
    rule(READ, 'core', 'namespaces'),
    events,
  ],
  'route-controller': [rule('list watch', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), events],
  'service-account-controller': [
    rule('create get list watch', 'core', 'serviceaccounts'),
    rule(READ, 'core', 'namespaces'),
    events,
  ],
  'service-cidrs-controller': [
    rule(
      'get list patch update watch',
      'networking.k8s.io',
      'servicecidrs servicecidrs/finalizers servicecidrs/status',
    ),
    rule(READ, 'networking.k8s.io', 'ipaddresses'),
    events,
  ],
  'service-controller': [
    rule(READ, 'core', 'services'),
    rule('patch update', 'core', 'services/status'),
    rule('update', 'core', 'services/finalizers'),
    rule('list watch', 'core', 'nodes'),
    events,
  ],
  'statefulset-controller': [
    rule('list watch', 'core', 'pods'),
    rule(READ, 'apps', 'statefulsets'),
    rule('update', 'apps', 'statefulsets/status statefulsets/finalizers'),
    rule('create delete get patch update', 'core', 'pods'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    rule('create delete get list update watch', 'core', 'persistentvolumeclaims'),
    events,
  ],
  'token-cleaner': [rule('delete get list watch', 'core', 'secrets')],
  'tokens-controller': [
    rule('create delete get list update watch', 'core', 'secrets'),
    rule('get list update watch', 'core', 'serviceaccounts'),
  ],
  'ttl-after-finished-controller': [rule('delete get list watch', 'batch', 'jobs'), events],
  'ttl-controller': [rule('list patch update watch', 'core', 'nodes'), events],
  'validatingadmissionpolicy-status-controller': [
    rule('get list watch', 'admissionregistration.k8s.io', 'validatingadmissionpolicies'),
    rule('get patch update', 'admissionregistration.k8s.io', 'validatingadmissionpolicies/status'),
    events,
  ],
  'certificate-controller': [
    rule('delete get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
    rule('update', 'certificates.k8s.io', 'certificatesigningrequests/approval certificatesigningrequests/status'),
    rule(
      'approve sign',
      'certificates.k8s.io',
      'signers',
      'kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/kube-apiserver-client kubernetes.io/legacy-unknown',
    ),
    rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    events,
  ],
};

export function controllerRoles(): ClusterRole[] {
  return Object.entries(CONTROLLERS).map(([name, rules]) => clusterRole(`system:controller:${name}`, [...rules]));
}

export function controllerRoleBindings(): ClusterRoleBinding[] {
  return Object.keys(CONTROLLERS).map(name =>
    clusterRoleBinding(`system:controller:${name}`, `system:controller:${name}`, account('kube-system', name)),
  );
}
