/**
 * What every API object has, and the small questions asked of it everywhere: its key, its owner, its conditions.
 */
import type { Condition, ObjectMeta, OwnerReference } from '../../proto/api/meta-v1.ts';

/** Any API object. Kinds from proto/api are assignable to it. */
export interface KubeObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: ObjectMeta;
}

/** Names an object's API: `{ group: 'apps', version: 'v1', kind: 'Deployment' }`. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The key of informers and work queues: `namespace/name`, or `name` alone for cluster scope. */
export function objectKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** The key of `object`. */
export function keyOf(object: KubeObject): string {
  return objectKey(object.metadata.namespace, object.metadata.name ?? '');
}

/** Takes a key apart; namespace is '' for cluster scope. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Takes `apps/v1` or `v1` apart; the core group is ''. */
export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  if (slash < 0) return { group: '', version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** `apps/v1`, or `v1` for the core group. */
export function joinApiVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `object` without what only servers read of it: a third of most objects. Shares everything else with it. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _unread, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** The owner reference that is marked as the controller, if there is one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find(owner => owner.controller === true);
}

/** Whether `owner` (by uid) is the controller of `object`. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  const uid = owner.metadata.uid;
  return uid !== undefined && controllerOf(object)?.uid === uid;
}

/** A reference that makes `owner` the controller; it blocks the owner's foreground deletion. */
export function controllerRef(owner: KubeObject, gvk: GroupVersionKind): OwnerReference {
  return { ...ownerRef(owner, gvk), controller: true, blockOwnerDeletion: true };
}

/** A plain reference to `owner`, which must have a name and a uid. */
export function ownerRef(owner: KubeObject, gvk: GroupVersionKind): OwnerReference {
  const { name, uid } = owner.metadata;
  if (name === undefined || uid === undefined) throw new Error(`Cannot refer to a ${gvk.kind} without name and uid`);
  return { apiVersion: joinApiVersion(gvk.group, gvk.version), kind: gvk.kind, name, uid };
}

/** Whether deletion has begun. */
export function isDeleting(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** The part that all kinds of condition share. */
export interface ConditionLike {
  type: string;
  status: string;
  reason?: string | undefined;
  message?: string | undefined;
  lastTransitionTime?: string | undefined;
}

/** The condition of that type. */
export function findCondition<C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find(condition => condition.type === type);
}

/** Whether the condition of that type is there and `True`. */
export function isConditionTrue(conditions: readonly ConditionLike[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * A new list with `condition` set. `lastTransitionTime` becomes `now` only when the status changed; the order is kept and
 * a new condition goes last. The old list comes back, the same one, when nothing changed.
 *
 * @param now RFC 3339, seconds
 */
export function setCondition<C extends ConditionLike = Condition>(
  conditions: readonly C[] | undefined,
  condition: C,
  now: string,
): readonly C[] {
  const list = conditions ?? [];
  const at = list.findIndex(c => c.type === condition.type);
  const old = list[at];
  if (old === undefined) return [...list, { ...condition, lastTransitionTime: now }];
  const flipped = old.status !== condition.status;
  const next = { ...old, ...condition, lastTransitionTime: flipped ? now : (old.lastTransitionTime ?? now) };
  const keys = Object.keys(next) as (keyof C)[];
  if (keys.length === Object.keys(old).length && keys.every(key => next[key] === old[key])) return list;
  return list.with(at, next);
}
