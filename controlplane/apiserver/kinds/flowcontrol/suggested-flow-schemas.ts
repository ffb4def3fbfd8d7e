/**
 * The flow schemas that every cluster has: `exempt` and `catch-all`, which cannot be changed, and upstream's suggestions.
 * Source: Kubernetes `apiserver/pkg/apis/flowcontrol/bootstrap/default.go`, 1.36.
 */
import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../../../proto/api/flowcontrol-v1.ts';

function schema(
  name: string,
  priorityLevel: string,
  matchingPrecedence: number,
  distinguisher: 'ByUser' | 'ByNamespace' | undefined,
  rule: PolicyRulesWithSubjects,
): FlowSchema {
  return {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name, annotations: { 'apf.kubernetes.io/autoupdate-spec': 'true' } },
    spec: {
      priorityLevelConfiguration: { name: priorityLevel },
      matchingPrecedence,
      ...(distinguisher === undefined ? {} : { distinguisherMethod: { type: distinguisher } }),
      rules: [rule],
    },
  };
}

const groups = (...names: string[]): Subject[] => names.map(name => ({ kind: 'Group', group: { name } }));
const users = (...names: string[]): Subject[] => names.map(name => ({ kind: 'User', user: { name } }));
const accounts = (...names: string[]): Subject[] =>
  names.map(name => ({ kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name } }));

function resources(verbs: string[], group: string, names: string[], clusterScope: boolean): ResourcePolicyRule {
  return {
    verbs,
    apiGroups: [group],
    resources: names,
    ...(clusterScope ? { clusterScope } : {}),
    namespaces: ['*'],
  };
}

/** Every request of `subjects`. */
function everything(subjects: Subject[]): PolicyRulesWithSubjects {
  return {
    subjects,
    resourceRules: [resources(['*'], '*', ['*'], true)],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  };
}

const everybody = groups('system:unauthenticated', 'system:authenticated');
const leases = [resources(['get', 'create', 'update'], 'coordination.k8s.io', ['leases'], false)];

export const mandatoryFlowSchemas: readonly FlowSchema[] = [
  schema('exempt', 'exempt', 1, undefined, everything(groups('system:masters'))),
  schema('catch-all', 'catch-all', 10000, 'ByUser', everything(everybody)),
];

export const suggestedFlowSchemas: readonly FlowSchema[] = [
  schema('system-nodes', 'system', 500, 'ByUser', everything(groups('system:nodes'))),
  schema('system-node-high', 'node-high', 400, 'ByUser', {
    subjects: groups('system:nodes'),
    resourceRules: [
      resources(['*'], '', ['nodes', 'nodes/status'], true),
      resources(['*'], 'coordination.k8s.io', ['leases'], false),
    ],
  }),
  schema('probes', 'exempt', 2, undefined, {
    subjects: everybody,
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  schema('system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), ...accounts('*')],
    resourceRules: leases,
  }),
  schema('endpoint-controller', 'workload-high', 150, 'ByUser', {
    subjects: [
      ...users('system:kube-controller-manager'),
      ...accounts('endpoint-controller', 'endpointslicemirroring-controller'),
    ],
    resourceRules: [resources(['get', 'create', 'update'], '', ['endpoints'], false)],
  }),
  schema('workload-leader-election', 'leader-election', 200, 'ByUser', {
    subjects: accounts('*'),
    resourceRules: leases,
  }),
  schema(
    'kube-controller-manager',
    'workload-high',
    800,
    'ByNamespace',
    everything(users('system:kube-controller-manager')),
  ),
  schema('kube-scheduler', 'workload-high', 800, 'ByNamespace', everything(users('system:kube-scheduler'))),
  schema('kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', everything(accounts('*'))),
  schema('service-accounts', 'workload-low', 9000, 'ByUser', everything(groups('system:serviceaccounts'))),
  schema('global-default', 'global-default', 9900, 'ByUser', everything(everybody)),
];
