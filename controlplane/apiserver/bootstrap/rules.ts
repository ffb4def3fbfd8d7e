/**
 * A short hand for RBAC rules and roles, so that the default policy reads like a table.
 */
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../proto/api/rbac-v1.ts';

export const READ = ['get', 'list', 'watch'] as const;
export const READ_WRITE = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const;
export const WRITE = ['create', 'update', 'patch', 'delete', 'deletecollection'] as const;

const GROUP = 'rbac.authorization.k8s.io';
const LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const ANNOTATIONS = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' };

const words = (text: string): string[] => text.split(' ').filter(w => w !== '');

/** `rule('get list', 'apps extensions', 'deployments deployments/scale')`; `core` is the core group. */
export function rule(verbs: string | readonly string[], groups: string, resources: string, names?: string): PolicyRule {
  const apiGroups = words(groups).map(group => (group === 'core' ? '' : group));
  const base = { verbs: typeof verbs === 'string' ? words(verbs) : [...verbs], apiGroups, resources: words(resources) };
  return names === undefined ? base : { ...base, resourceNames: words(names) };
}

export function urls(verbs: string, paths: string): PolicyRule {
  return { verbs: words(verbs), nonResourceURLs: words(paths) };
}

export function clusterRole(name: string, rules: PolicyRule[], labels: Record<string, string> = {}): ClusterRole {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'ClusterRole',
    metadata: { name, labels: { ...LABELS, ...labels }, annotations: { ...ANNOTATIONS } },
    rules,
  };
}

export function role(namespace: string, name: string, rules: PolicyRule[]): Role {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'Role',
    metadata: { name, namespace, labels: { ...LABELS }, annotations: { ...ANNOTATIONS } },
    rules,
  };
}

export function clusterRoleBinding(name: string, roleName: string, ...subjects: Subject[]): ClusterRoleBinding {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: { ...LABELS }, annotations: { ...ANNOTATIONS } },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: roleName },
    subjects,
  };
}

export function roleBinding(namespace: string, name: string, roleName: string, ...subjects: Subject[]): RoleBinding {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'RoleBinding',
    metadata: { name, namespace, labels: { ...LABELS }, annotations: { ...ANNOTATIONS } },
    roleRef: { apiGroup: GROUP, kind: 'Role', name: roleName },
    subjects,
  };
}

export const user = (name: string): Subject => ({ kind: 'User', apiGroup: GROUP, name });
export const group = (name: string): Subject => ({ kind: 'Group', apiGroup: GROUP, name });
export const account = (namespace: string, name: string): Subject => ({ kind: 'ServiceAccount', namespace, name });
