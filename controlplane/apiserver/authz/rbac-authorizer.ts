/**
 * RBAC over roles and bindings followed in memory. Default deny: a question that no rule covers gets no opinion.
 *
 * Bindings are indexed by subject, cluster-wide and per namespace, so the cost of a question grows with the caller's own bindings.
 * Source: kubernetes `plugin/pkg/auth/authorizer/rbac`.
 */
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../../proto/api/rbac-v1.ts';
import type { UserInfo } from '../server/request.ts';
import { NO_OPINION, type Attributes, type Authorizer, type Decision } from './authorizer.ts';
import { ruleAllows } from './rule-match.ts';

/** The current objects; `onChange` tells which namespace ('' for cluster) has to be indexed again. */
export interface RbacSource {
  clusterRole(name: string): ClusterRole | undefined;
  role(namespace: string, name: string): Role | undefined;
  clusterRoleBindings(): Iterable<ClusterRoleBinding>;
  roleBindings(namespace: string): Iterable<RoleBinding>;
  onBindingChange(listener: (namespace: string) => void): void;
}

type Binding = ClusterRoleBinding | RoleBinding;
type Index = ReadonlyMap<string, readonly Binding[]>;

export class RbacAuthorizer implements Authorizer {
  readonly #source: RbacSource;
  readonly #indexes = new Map<string, Index>();

  constructor(source: RbacSource) {
    this.#source = source;
    source.onBindingChange(namespace => this.#indexes.delete(namespace));
  }

  authorize(attributes: Attributes): Decision {
    for (const rule of this.rulesFor(attributes.user, attributes.namespace)) {
      if (ruleAllows(rule, attributes)) return { kind: 'allow', reason: '' };
    }
    return NO_OPINION;
  }

  /** Every rule that `user` has in `namespace` ('' for cluster scope). */
  *rulesFor(user: UserInfo, namespace: string): Generator<PolicyRule> {
    yield* this.#rules(user, '');
    if (namespace !== '') yield* this.#rules(user, namespace);
  }

  /** The rules behind a reference; undefined when the role does not exist. */
  rulesOf(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const role = ref.kind === 'Role' ? this.#source.role(namespace, ref.name) : this.#source.clusterRole(ref.name);
    return role === undefined ? undefined : (role.rules ?? []);
  }

  *#rules(user: UserInfo, namespace: string): Generator<PolicyRule> {
    const index = this.#index(namespace);
    if (index.size === 0) return;
    for (const binding of index.get(`u:${user.name}`) ?? []) yield* this.rulesOf(binding.roleRef, namespace) ?? [];
    for (const group of user.groups) {
      for (const binding of index.get(`g:${group}`) ?? []) yield* this.rulesOf(binding.roleRef, namespace) ?? [];
    }
  }

  #index(namespace: string): Index {
    let index = this.#indexes.get(namespace);
    if (index === undefined) {
      const bindings = namespace === '' ? this.#source.clusterRoleBindings() : this.#source.roleBindings(namespace);
      this.#indexes.set(namespace, (index = indexBindings(bindings, namespace)));
    }
    return index;
  }
}

function indexBindings(bindings: Iterable<Binding>, namespace: string): Index {
  const index = new Map<string, Binding[]>();
  for (const binding of bindings) {
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      const list = index.get(key);
      if (list === undefined) index.set(key, [binding]);
      else list.push(binding);
    }
  }
  return index;
}

function subjectKey(subject: Subject, namespace: string): string {
  if (subject.kind === 'Group') return `g:${subject.name}`;
  if (subject.kind === 'ServiceAccount')
    return `u:system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`;
  return `u:${subject.name}`;
}
