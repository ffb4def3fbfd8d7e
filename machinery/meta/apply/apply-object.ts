/**
 * Server-side apply: lays what a manager wants over the stored object, refuses to take fields from others unless forced, and
 * removes what the manager wanted before and wants no more.
 *
 * Defaulting, validation and storing are the caller's. Source: KEP-555; structured-merge-diff `merge.Updater.Apply`.
 */
import { deepCopy, isJsonObject, jsonEquals } from '../json-value.ts';
import type { KubeObject } from '../object.ts';
import { badRequest } from '../status-error.ts';
import { compareObjects } from './compare-objects.ts';
import { conflictError, type Conflict } from './conflict.ts';
import { difference, union, type FieldSet } from './field-set.ts';
import { decodeManagers, encodeManagers, managerKey, withFields, type Manager, type Managers } from './managers.ts';
import { mergeApplied } from './merge-applied.ts';
import { fieldSetOf, stripUnowned } from './object-set.ts';
import { conflictsOf, othersAfter } from './ownership.ts';
import { prune } from './prune.ts';
import { newManager, trackUpdate, type Change } from './track-update.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What apply made. */
export interface Applied {
  /** Shares nothing with the live or the applied object. */
  readonly object: KubeObject;
  /** False when object and ownership are what they were: nothing needs to be written. */
  readonly changed: boolean;
}

/**
 * @param applied the object as the manager wants it, decoded; not modified
 * @param force take fields from other managers
 * @throws StatusError Conflict when fields of others would change and `force` is false; BadRequest when `applied` is malformed
 */
export function applyObject(change: Change, applied: KubeObject, force: boolean): Applied {
  if (change.manager === '') throw badRequest('fieldManager is required for apply patch');
  if ((applied.metadata.managedFields ?? []).length > 0) throw badRequest('metadata.managedFields must be nil');
  const { schema, ignored = [] } = change;
  const live = change.live ?? emptyLike(applied);
  const managers = managersBefore(change);
  const own = newManager(change, 'Apply');
  const key = managerKey(own);
  const wanted = stripUnowned(fieldSetOf(schema, applied), ignored);

  const before = managers.get(key) ?? own;
  const merged = mergeApplied(schema, live, applied);
  const managed = [...managers].reduce((all, [k, manager]) => (k === key ? all : union(all, manager.fields)), wanted);
  const pruned = prune(schema, merged, before.fields, managed);

  const compared = compareObjects(schema, live, pruned);
  stripUnowned(compared.added, ignored);
  stripUnowned(compared.modified, ignored);
  const conflicts = conflictsOf(managers, key, compared);
  if (conflicts.length > 0 && !force && !agreedLastTime(change, conflicts)) throw conflictError(conflicts);

  const after = othersAfter(managers, key, compared);
  after.set(key, { ...withFields(before, wanted, change.now), apiVersion: change.apiVersion });
  return finish(change, syncLastApplied(change, pruned as KubeObject, applied), after, key);
}

function finish(change: Change, pruned: KubeObject, after: Map<string, Manager>, key: string): Applied {
  const own = after.get(key);
  // An applier that says the same in another version is written anew.
  if (own?.source !== undefined && own.source.apiVersion !== own.apiVersion) {
    const { source: _source, ...rest } = own;
    after.set(key, { ...rest, time: change.now });
  }
  const object = deepCopy(pruned);
  const entries = encodeManagers(after);
  object.metadata = { ...object.metadata, managedFields: entries };
  return { object, changed: pruned !== change.live || !jsonEquals(entries, change.live?.metadata.managedFields ?? []) };
}

/** The annotation of client-side apply, where there is one, follows what kubectl applies by the server. */
function syncLastApplied(change: Change, object: KubeObject, applied: KubeObject): KubeObject {
  const old = object.metadata.annotations?.[LAST_APPLIED];
  if (change.manager !== 'kubectl' || old === undefined) return object;
  const { [LAST_APPLIED]: _own, ...annotations } = applied.metadata.annotations ?? {};
  const text = `${JSON.stringify({ ...applied, metadata: { ...applied.metadata, annotations } })}\n`;
  if (text === old) return object;
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [LAST_APPLIED]: text } },
  };
}

/** What a stored object without ownership holds belongs to whoever wrote it before the first apply. */
function managersBefore(change: Change): Managers {
  const { live } = change;
  if (live === undefined) return new Map();
  const entries = live.metadata.managedFields;
  if (entries !== undefined && entries.length > 0) return decodeManagers(entries);
  const { managedFields: _none, ...metadata } = live.metadata;
  const first = { ...change, live: undefined, manager: 'before-first-apply', subresource: undefined };
  return decodeManagers(trackUpdate(first, { ...live, metadata }));
}

/**
 * kubectl that moves from client- to server-side apply owns, as an updater, what its annotation says it applied last. That is
 * no conflict with itself.
 */
function agreedLastTime(change: Change, conflicts: readonly Conflict[]): boolean {
  const annotation = change.live?.metadata.annotations?.[LAST_APPLIED];
  if (change.manager !== 'kubectl' || annotation === undefined) return false;
  let last: unknown;
  try {
    last = JSON.parse(annotation);
  } catch {
    return false;
  }
  if (!isJsonObject(last)) return false;
  const known: FieldSet = fieldSetOf(change.schema, last);
  known.insert(['f:metadata', 'f:annotations', `f:${LAST_APPLIED}`]);
  return conflicts.every(({ fields }) => difference(fields, known).isEmpty);
}

function emptyLike(applied: KubeObject): KubeObject {
  const { apiVersion, kind } = applied;
  return { apiVersion, kind, metadata: {} };
}
