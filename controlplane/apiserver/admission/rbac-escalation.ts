/**
 * Nobody grants what they do not have: a role's rules, and the rules behind a binding, must be covered by the writer's own, unless the
 * writer holds the verb `escalate` (roles) or `bind` (bindings).
 * Source: kubernetes.io/docs, "Using RBAC", privilege escalation prevention.
 */
import { forbidden, notFound } from '../../../machinery/meta/status-error.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { ClusterRole, PolicyRule, RoleBinding } from '../../../proto/api/rbac-v1.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { RbacAuthorizer } from '../authz/rbac-authorizer.ts';
import { uncoveredRules } from '../authz/rule-match.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const GROUP = 'rbac.authorization.k8s.io';

export function rbacEscalation(rbac: RbacAuthorizer, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'RBACEscalation',
    handles: (operation, { info }) => info.group === GROUP && (operation === 'CREATE' || operation === 'UPDATE'),
    async validate(request) {
      const { user } = request.context;
      if (user.groups.includes('system:masters')) return;
      const plural = request.resource.info.resource;
      if (plural.endsWith('bindings')) await checkBinding(rbac, authorizer, request);
      else await checkRole(rbac, authorizer, request);
    },
  };
}

async function checkRole(rbac: RbacAuthorizer, authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const role = request.object as ClusterRole;
  const older = request.older as ClusterRole | undefined;
  if (
    older !== undefined &&
    jsonEquals(role.rules, older.rules) &&
    jsonEquals(role.aggregationRule, older.aggregationRule)
  )
    return;
  if (await may(authorizer, request, 'escalate', request.resource.info.resource, request.name)) return;
  const wanted: PolicyRule[] = [...(role.rules ?? [])];
  if (role.aggregationRule !== undefined)
    wanted.push({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] });
  checkCovered(rbac, request, wanted);
}

async function checkBinding(rbac: RbacAuthorizer, authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const { roleRef, subjects } = request.object as RoleBinding;
  const older = request.older as RoleBinding | undefined;
  if (older !== undefined && jsonEquals(roleRef, older.roleRef) && jsonEquals(subjects, older.subjects)) return;
  const plural = roleRef.kind === 'Role' ? 'roles' : 'clusterroles';
  if (await may(authorizer, request, 'bind', plural, roleRef.name)) return;
  const rules = rbac.rulesOf(roleRef, request.namespace);
  if (rules === undefined) throw notFound({ group: GROUP, resource: plural }, roleRef.name);
  checkCovered(rbac, request, rules);
}

async function may(
  authorizer: Authorizer,
  { context, namespace }: AdmissionRequest,
  verb: string,
  resource: string,
  name: string,
): Promise<boolean> {
  const decision = await authorizer.authorize({
    user: context.user,
    verb,
    isResource: true,
    group: GROUP,
    version: 'v1',
    resource,
    subresource: '',
    namespace,
    name,
    path: '',
  });
  return decision.kind === 'allow';
}

function checkCovered(
  rbac: RbacAuthorizer,
  { context, namespace, resource, name }: AdmissionRequest,
  wanted: readonly PolicyRule[],
): void {
  const owned = [...rbac.rulesFor(context.user, namespace)];
  const missing = uncoveredRules(owned, wanted);
  if (missing.length === 0) return;
  const { user } = context;
  const rules = missing.map(goRule).join('\n');
  const why = `user ${JSON.stringify(user.name)} (groups=${JSON.stringify(user.groups).replaceAll(',', ' ')}) is attempting to grant RBAC permissions not currently held:\n${rules}`;
  throw forbidden(groupResource(resource.info), name, why);
}

function goRule(rule: PolicyRule): string {
  const list = (values: readonly string[] | undefined): string => JSON.stringify(values ?? []).replaceAll(',', ' ');
  const parts: string[] = [];
  if (rule.nonResourceURLs !== undefined) parts.push(`NonResourceURLs:${list(rule.nonResourceURLs)}`);
  else parts.push(`APIGroups:${list(rule.apiGroups)}`, `Resources:${list(rule.resources)}`);
  if (rule.resourceNames !== undefined) parts.push(`ResourceNames:${list(rule.resourceNames)}`);
  parts.push(`Verbs:${list(rule.verbs)}`);
  return `{${parts.join(', ')}}`;
}
