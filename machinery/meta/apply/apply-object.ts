/**
 * Server-side apply: lays what a manager wants over the stored object, refuses to take fields from others unless forced, and
 * removes what the manager wanted before and wants no more.
 *
 * Defaulting, validation and storing are the caller's. Source: KEP-555; structured-merge-diff `merge.Updater.Apply`.
 */
import { deepCopy, isJsonObject, jsonEquals } from '../json-value.ts';
import type { KubeObject } from '../object.ts';
import { badRequest } from '../status-error.ts';
import { checkObject } from '../decode.ts';
import { parseJson } from '../codec.ts';
import { compareObjects } from './compare-objects.ts';
import { conflictError, type Conflict } from './conflict.ts';
import { difference, FieldSet, union, withoutSubtrees } from './field-set.ts';
import { decodeManagers, encodeManagers, managerKey, withFields, type Managers } from './managers.ts';
import { mergeApplied } from './merge-applied.ts';
import { fieldSetOf, stripUnowned } from './object-set.ts';
import { conflictsOf, othersAfter } from './ownership.ts';
import { prune } from './prune.ts';
import { comparisonFor, newManager, ownedPart, trackUpdate, type Change } from './track-update.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What apply made. */
export interface Applied {
  /** Shares nothing with the live or the applied object. */
  readonly object: KubeObject;
  /** False when object and ownership are what they were: nothing needs to be written. */
  readonly changed: boolean;
}

/**
 * @param applied the object as the manager wants it, decoded in the form `applied`; not modified
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
  // Here the identity of the object counts as stated: it keeps `metadata` from going with its last label.
  const stated = fieldSetOf(schema, applied);
  const managed = [...managers].reduce((all, [k, manager]) => (k === key ? all : union(all, manager.fields)), stated);
  const pruned = prune(schema, merged, before.fields, managed);

  const compared = ownedPart(compareObjects(schema, live, pruned), ignored);
  const changeIn = comparisonFor(change, compared, live, pruned as KubeObject);
  const conflicts = force ? [] : disputed(change, conflictsOf(managers, key, changeIn));
  if (conflicts.length > 0) throw conflictError(conflicts);

  const after = othersAfter(managers, key, changeIn);
  // What changes nothing keeps its time, and a change of version alone is no change of what is owned.
  const time = pruned === change.live && managers.has(key) ? before.time : change.now;
  const { source, ...next } = withFields(before, wanted, time);
  after.set(
    key,
    source?.apiVersion === change.apiVersion ? { ...next, source } : { ...next, apiVersion: change.apiVersion },
  );
  return finish(change, syncLastApplied(change, pruned as KubeObject, applied), after);
}

function finish(change: Change, pruned: KubeObject, after: Managers): Applied {
  const object = checkObject(change.schema, deepCopy(pruned)).value as KubeObject;
  const entries = encodeManagers(after);
  const { managedFields: _before, ...metadata } = object.metadata;
  object.metadata = entries.length === 0 ? metadata : { ...metadata, managedFields: entries };
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
  if (entries !== undefined && entries.length > 0) {
    const managers = decodeManagers(entries);
    if (managers === undefined) throw new Error(`the managedFields of ${live.metadata.name ?? ''} cannot be read`);
    return managers;
  }
  const { managedFields: _none, ...metadata } = live.metadata;
  const first = { ...change, live: undefined, manager: 'before-first-apply', subresource: undefined };
  return decodeManagers(trackUpdate(first, { ...live, metadata })) ?? new Map();
}

/**
 * The conflicts that count. kubectl that moves from client- to server-side apply owns, as an updater, what its annotation says
 * it applied last, as far as nobody changed it since: that is no conflict with itself.
 * Source: apimachinery `util/managedfields/internal/lastappliedmanager.go`.
 */
function disputed(change: Change, conflicts: readonly Conflict[]): readonly Conflict[] {
  const annotation = change.live?.metadata.annotations?.[LAST_APPLIED] ?? '';
  if (change.manager !== 'kubectl' || annotation === '') return conflicts;
  const own = stillAsApplied(change, annotation);
  return conflicts.flatMap(({ manager, fields }) => {
    const left = difference(fields, own);
    return left.isEmpty ? [] : [{ manager, fields: left }];
  });
}

/** The fields of the annotation's object that have the same values in the live one; none if the annotation is of no use. */
function stillAsApplied({ schema, live, apiVersion }: Change, annotation: string): FieldSet {
  try {
    const last = parseJson(annotation);
    if (!isJsonObject(last) || last['apiVersion'] !== apiVersion) return new FieldSet();
    const { value } = checkObject(schema, last, 'applied');
    const { modified, added, removed } = compareObjects(schema, value, live);
    return withoutSubtrees(difference(difference(fieldSetOf(schema, value), modified), added), removed);
  } catch {
    // Whoever wrote the annotation by hand has the conflicts as anybody else.
    return new FieldSet();
  }
}

function emptyLike(applied: KubeObject): KubeObject {
  const { apiVersion, kind } = applied;
  return { apiVersion, kind, metadata: {} };
}
