/**
 * Who owns which fields: `metadata.managedFields` taken apart and put together.
 *
 * A manager is told apart by name, operation and subresource, updaters by API version as well.
 * Source: apimachinery `util/managedfields/internal`, 1.36.
 */
import type { ManagedFieldsEntry } from '../../../proto/api/meta-v1.ts';
import { decodeFieldSet, encodeFieldSet, equalSets, union, type FieldSet } from './field-set.ts';

/** One manager and its fields. Immutable. */
export interface Manager {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** '' for the object itself. */
  readonly subresource: string;
  /** RFC 3339; undefined if it was never told. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
  /** The entry that it was read from, given back while the fields stay the same. */
  readonly source?: ManagedFieldsEntry;
}

/** Managers by identity, in no order. */
export type Managers = ReadonlyMap<string, Manager>;

/** More updaters than this, and the oldest become one. */
const MAX_UPDATERS = 10;
const ANCIENT = 'ancient-changes';

/** The key that tells a manager apart. */
export function managerKey(manager: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const version = manager.operation === 'Update' ? manager.apiVersion : '';
  return JSON.stringify([manager.name, manager.operation, version, manager.subresource]);
}

/** Reads `metadata.managedFields`. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers {
  const managers = new Map<string, Manager>();
  for (const entry of entries ?? []) {
    const manager: Manager = {
      name: entry.manager ?? '',
      operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time,
      fields: decodeFieldSet(entry.fieldsV1),
      source: entry,
    };
    managers.set(managerKey(manager), manager);
  }
  return managers;
}

/** Writes `metadata.managedFields`: appliers first, then by time and name; managers of nothing are left out. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  const list = capUpdaters([...managers.values()].filter(manager => !manager.fields.isEmpty));
  return list.sort(compareManagers).map(manager => manager.source ?? entryOf(manager));
}

/** `manager` with other fields; the same one, time and all, if they are equal. */
export function withFields(manager: Manager, fields: FieldSet, now: string | undefined): Manager {
  if (equalSets(manager.fields, fields)) return manager;
  const { name, operation, apiVersion, subresource } = manager;
  return { name, operation, apiVersion, subresource, time: now ?? manager.time, fields };
}

function entryOf(manager: Manager): ManagedFieldsEntry {
  return {
    manager: manager.name,
    operation: manager.operation,
    apiVersion: manager.apiVersion,
    ...(manager.time === undefined ? {} : { time: manager.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: encodeFieldSet(manager.fields),
    ...(manager.subresource === '' ? {} : { subresource: manager.subresource }),
  } as ManagedFieldsEntry;
}

function compareManagers(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? '', b.time ?? '') ||
    compareText(a.name, b.name) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keeps the list bounded: the oldest updaters of one version and subresource become one entry. */
function capUpdaters(list: Manager[]): Manager[] {
  const updaters = list.filter(manager => manager.operation === 'Update').sort(compareManagers);
  const surplus = updaters.length - MAX_UPDATERS;
  if (surplus <= 0) return list;
  const buckets = new Map<string, Manager>();
  const old = updaters.slice(0, surplus + 1);
  for (const { apiVersion, subresource, time, fields } of old) {
    const key = JSON.stringify([apiVersion, subresource]);
    const bucket = buckets.get(key);
    const all = bucket === undefined ? fields : union(bucket.fields, fields);
    buckets.set(key, { name: ANCIENT, operation: 'Update', apiVersion, subresource, time, fields: all });
  }
  return [...list.filter(manager => !old.includes(manager)), ...buckets.values()];
}
