/**
 * Upstream's default cluster roles but those of the controllers.
 * Source: kubernetes.io/docs, "Using RBAC Authorization", default roles; `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`, 1.36.
 */
import type { ClusterRole, PolicyRule } from '../../../proto/api/rbac-v1.ts';
import { clusterRole, READ, READ_WRITE, rule, urls, WRITE } from './rules.ts';

const EVENTS = 'core events.k8s.io';
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

/** What every kubelet may do; the Node authorizer narrows it to the node's own objects. */
export const NODE_RULES: PolicyRule[] = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  rule(READ, 'core', 'services'),
  rule('create get list watch', 'core', 'nodes'),
  rule('patch update', 'core', 'nodes nodes/status'),
  rule('create patch update', EVENTS, 'events'),
  rule('create delete get list watch', 'core', 'pods'),
  rule('patch update', 'core', 'pods/status'),
  rule('create', 'core', 'pods/eviction'),
  rule(READ, 'core', 'configmaps secrets'),
  rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('get patch update', 'core', 'persistentvolumeclaims/status'),
  rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  rule('create delete get patch update', 'coordination.k8s.io', 'leases'),
  rule('get', 'storage.k8s.io', 'volumeattachments'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(READ, 'storage.k8s.io', 'csidrivers'),
  rule('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  rule(READ, 'node.k8s.io', 'runtimeclasses'),
  rule('get', 'resource.k8s.io', 'resourceclaims'),
  rule('create delete deletecollection get list patch update watch', 'resource.k8s.io', 'resourceslices'),
];

const VIEW_RULES: PolicyRule[] = [
  rule(
    READ,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  rule(
    READ,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  rule(READ, 'core', 'namespaces'),
  rule(READ, 'discovery.k8s.io', 'endpointslices'),
  rule(
    READ,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  rule(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  rule(READ, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

const EDIT_RULES: PolicyRule[] = [
  rule(READ, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  rule('impersonate', 'core', 'serviceaccounts'),
  rule(WRITE, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  rule('create', 'core', 'pods/eviction'),
  rule(
    WRITE,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(
    WRITE,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  rule(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
  rule(WRITE, 'batch', 'cronjobs jobs'),
  rule(WRITE, 'policy', 'poddisruptionbudgets'),
  rule(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
  rule(WRITE, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
  rule([...READ_WRITE], 'coordination.k8s.io', 'leases'),
];

const ADMIN_RULES: PolicyRule[] = [
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  rule(READ_WRITE, 'rbac.authorization.k8s.io', 'rolebindings roles'),
];

/** The three roles for people are made of these by label; their rules are filled in here and kept by the aggregation controller. */
function aggregated(name: string, rules: PolicyRule[], labels: Record<string, string>): ClusterRole {
  const selector = { matchLabels: { [`${AGGREGATE}${name}`]: 'true' } };
  return { ...clusterRole(name, rules, labels), aggregationRule: { clusterRoleSelectors: [selector] } };
}

export function defaultClusterRoles(): ClusterRole[] {
  const on = (target: string): Record<string, string> => ({ [`${AGGREGATE}${target}`]: 'true' });
  return [
    clusterRole('cluster-admin', [rule('*', '*', '*'), urls('*', '*')]),
    clusterRole('system:discovery', [
      urls('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/'),
    ]),
    clusterRole('system:monitoring', [
      urls('get', '/metrics /metrics/slis /livez /livez/* /readyz /readyz/* /healthz /healthz/*'),
    ]),
    clusterRole('system:basic-user', [
      rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ]),
    clusterRole('system:public-info-viewer', [urls('get', '/healthz /livez /readyz /version /version/')]),
    clusterRole('system:service-account-issuer-discovery', [
      urls(
        'get',
        '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
      ),
    ]),
    aggregated('admin', [...ADMIN_RULES, ...EDIT_RULES, ...VIEW_RULES], {}),
    aggregated('edit', [...EDIT_RULES, ...VIEW_RULES], on('admin')),
    aggregated('view', VIEW_RULES, on('edit')),
    clusterRole('system:aggregate-to-admin', ADMIN_RULES, on('admin')),
    clusterRole('system:aggregate-to-edit', EDIT_RULES, on('edit')),
    clusterRole('system:aggregate-to-view', VIEW_RULES, on('view')),
    // As metrics-server's manifest has it: whoever sees pods may see what they use.
    clusterRole('system:aggregated-metrics-reader', [rule(READ, 'metrics.k8s.io', 'pods nodes')], {
      ...on('view'),
      ...on('edit'),
      ...on('admin'),
    }),
    clusterRole('system:heapster', [
      rule(READ, 'core', 'events namespaces nodes pods'),
      rule(READ, 'extensions', 'deployments'),
    ]),
    clusterRole('system:node', NODE_RULES),
    clusterRole('system:node-problem-detector', [
      rule('get', 'core', 'nodes'),
      rule('patch', 'core', 'nodes/status'),
      rule('create patch update', EVENTS, 'events'),
    ]),
    clusterRole('system:kubelet-api-admin', [
      rule(READ, 'core', 'nodes'),
      rule('proxy', 'core', 'nodes'),
      rule(
        '*',
        'core',
        'nodes/log nodes/metrics nodes/proxy nodes/stats nodes/configz nodes/healthz nodes/pods nodes/checkpoint',
      ),
    ]),
    clusterRole('system:node-bootstrapper', [
      rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
    ]),
    clusterRole('system:auth-delegator', [
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    ]),
    clusterRole('system:kube-aggregator', [rule(READ, 'core', 'endpoints services')]),
    clusterRole('system:kube-controller-manager', KUBE_CONTROLLER_MANAGER),
    clusterRole('system:kube-dns', [
      rule('list watch', 'core', 'endpoints services'),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:persistent-volume-provisioner', [
      rule('create delete get list watch', 'core', 'persistentvolumes'),
      rule('get list update watch', 'core', 'persistentvolumeclaims'),
      rule(READ, 'storage.k8s.io', 'storageclasses'),
      rule('watch', 'core', 'events'),
      rule('create patch update', EVENTS, 'events'),
    ]),
    clusterRole('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
      rule('create', 'certificates.k8s.io', 'certificatesigningrequests/nodeclient'),
    ]),
    clusterRole('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
      rule('create', 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient'),
    ]),
    clusterRole('system:volume-scheduler', [
      rule('get list patch update watch', 'core', 'persistentvolumes'),
      rule(READ, 'storage.k8s.io', 'storageclasses'),
      rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
    ]),
    ...['legacy-unknown', 'kubelet-serving', 'kube-apiserver-client', 'kube-apiserver-client-kubelet'].map(signer =>
      clusterRole(`system:certificates.k8s.io:${signer}-approver`, [
        rule('approve', 'certificates.k8s.io', 'signers', `kubernetes.io/${signer}`),
      ]),
    ),
    clusterRole('system:node-proxier', [
      rule('list watch', 'core', 'services endpoints'),
      rule('get list watch', 'core', 'nodes'),
      rule('create patch update', EVENTS, 'events'),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
      rule('list watch', 'networking.k8s.io', 'servicecidrs'),
    ]),
    // What the proxy, the pod network, DNS and network policies of every node read; pods of others for the addresses that selectors mean.
    clusterRole('k8ts:node-services', [
      rule('list watch', 'core', 'services namespaces nodes pods'),
      rule('list watch', 'networking.k8s.io', 'networkpolicies'),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:kube-scheduler', KUBE_SCHEDULER),
    clusterRole('system:cluster-trust-bundle-discovery', [rule(READ, 'certificates.k8s.io', 'clustertrustbundles')]),
  ];
}

const KUBE_CONTROLLER_MANAGER: PolicyRule[] = [
  rule('create patch update', EVENTS, 'events'),
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
  rule('create', 'core', 'secrets serviceaccounts'),
  rule('delete', 'core', 'secrets'),
  rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
  rule('update', 'core', 'secrets serviceaccounts'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule('list watch', '*', '*'),
  rule('create', 'core', 'serviceaccounts/token'),
];

const KUBE_SCHEDULER: PolicyRule[] = [
  rule('create patch update', EVENTS, 'events'),
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get list update watch', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
  rule(READ, 'core', 'nodes'),
  rule('delete get list watch', 'core', 'pods'),
  rule('create', 'core', 'bindings pods/binding'),
  rule('patch update', 'core', 'pods/status'),
  rule(READ, 'core', 'replicationcontrollers services namespaces'),
  rule(READ, 'apps extensions', 'replicasets'),
  rule(READ, 'apps', 'statefulsets'),
  rule(READ, 'policy', 'poddisruptionbudgets'),
  rule('get list watch update', 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule(READ, 'storage.k8s.io', 'csinodes csidrivers csistoragecapacities volumeattachments storageclasses'),
  rule(READ, 'resource.k8s.io', 'deviceclasses resourceslices'),
  rule('get list watch update patch', 'resource.k8s.io', 'resourceclaims resourceclaims/status'),
];
