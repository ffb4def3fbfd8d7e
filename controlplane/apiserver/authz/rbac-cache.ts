/**
 * Roles and bindings, followed through the storage's own watch: what the RBAC authorizer reads without waiting.
 */
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../proto/api/rbac-v1.ts';
import { StorageFollower } from '../registry/storage-follower.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { RbacSource } from './rbac-authorizer.ts';

export interface RbacStorages {
  readonly clusterRoles: ResourceStorage<ClusterRole>;
  readonly clusterRoleBindings: ResourceStorage<ClusterRoleBinding>;
  readonly roles: ResourceStorage<Role>;
  readonly roleBindings: ResourceStorage<RoleBinding>;
}

export class RbacCache implements RbacSource {
  readonly #clusterRoles: StorageFollower<ClusterRole>;
  readonly #roles: StorageFollower<Role>;
  readonly #clusterBindings: StorageFollower<ClusterRoleBinding>;
  readonly #bindings: StorageFollower<RoleBinding>;
  readonly #byNamespace = new Map<string, Map<string, RoleBinding>>();
  #listener: (namespace: string) => void = () => {};

  constructor(storages: RbacStorages) {
    this.#clusterRoles = new StorageFollower(storages.clusterRoles);
    this.#roles = new StorageFollower(storages.roles);
    this.#clusterBindings = new StorageFollower(storages.clusterRoleBindings, () => this.#listener(''));
    this.#bindings = new StorageFollower(storages.roleBindings, (key, binding) => this.#onBinding(key, binding));
  }

  /** Follows until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#clusterRoles, this.#roles, this.#clusterBindings, this.#bindings].map(f => f.run(signal)));
  }

  async synced(): Promise<void> {
    await Promise.all([this.#clusterRoles, this.#roles, this.#clusterBindings, this.#bindings].map(f => f.synced()));
  }

  clusterRole(name: string): ClusterRole | undefined {
    return this.#clusterRoles.get('', name);
  }

  role(namespace: string, name: string): Role | undefined {
    return this.#roles.get(namespace, name);
  }

  clusterRoleBindings(): Iterable<ClusterRoleBinding> {
    return this.#clusterBindings.values();
  }

  roleBindings(namespace: string): Iterable<RoleBinding> {
    return this.#byNamespace.get(namespace)?.values() ?? [];
  }

  onBindingChange(listener: (namespace: string) => void): void {
    this.#listener = listener;
  }

  #onBinding(key: string, binding: RoleBinding | undefined): void {
    const namespace = key.slice(0, key.indexOf('/'));
    let bindings = this.#byNamespace.get(namespace);
    if (bindings === undefined) this.#byNamespace.set(namespace, (bindings = new Map()));
    if (binding === undefined) bindings.delete(key);
    else bindings.set(key, binding);
    if (bindings.size === 0) this.#byNamespace.delete(namespace);
    this.#listener(namespace);
  }
}
