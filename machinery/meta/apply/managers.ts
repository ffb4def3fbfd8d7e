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
const OPERATIONS = ['Apply', 'Update'] as const;

/** The key that tells a manager apart. */
export function managerKey(manager: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const version = manager.operation === 'Update' ? manager.apiVersion : '';
  return JSON.stringify([manager.name, manager.operation, version, manager.subresource]);
}

/** Reads `metadata.managedFields`; undefined when an entry is not as it must be. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  const managers = new Map<string, Manager>();
  for (const entry of entries ?? []) {
    const { apiVersion = '', fieldsType } = entry;
    const operation = OPERATIONS.find(known => known === entry.operation);
    if (operation === undefined || apiVersion === '' || fieldsType !== 'FieldsV1') return undefined;
    const manager: Manager = {
      name: entry.manager ?? '',
      operation,
      apiVersion,
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
  const list = [...managers.values()].filter(manager => !manager.fields.isEmpty);
  return list.sort(compareManagers).map(manager => manager.source ?? entryOf(manager));
}

/** `manager` with other fields and another time; the same one if both are equal. */
export function withFields(manager: Manager, fields: FieldSet, time: string | undefined): Manager {
  const { name, operation, apiVersion, subresource, source } = manager;
  const changed = { name, operation, apiVersion, subresource, time };
  if (!equalSets(manager.fields, fields)) return { ...changed, fields };
  if (manager.time === time) return manager;
  // Writing the same fields again and again, as heartbeats do, must not cost their encoding each time.
  if (source === undefined || time === undefined) return { ...changed, fields };
  return { ...changed, fields: manager.fields, source: { ...source, time } };
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

/**
 * Keeps the updaters bounded: the oldest of each version become one entry until there are few enough.
 * Source: apimachinery `util/managedfields/internal/capmanagers.go`.
 */
export function capUpdaters(managers: Managers): Managers {
  const updaters = [...managers].filter(([, { operation, fields }]) => operation === 'Update' && !fields.isEmpty);
  let surplus = updaters.length - MAX_UPDATERS;
  if (surplus <= 0) return managers;
  const capped = new Map(managers);
  const firsts = new Map<string, string>();
  for (const [key, { apiVersion, time, fields }] of updaters.sort((a, b) => compareManagers(a[1], b[1]))) {
    if (surplus <= 0) break;
    const first = firsts.get(apiVersion);
    if (first === undefined) {
      firsts.set(apiVersion, key);
      continue;
    }
    const bucket: Manager = { name: ANCIENT, operation: 'Update', apiVersion, subresource: '', time, fields };
    const into = managerKey(bucket);
    const before = capped.get(into) ?? capped.get(first);
    if (!capped.has(into)) capped.delete(first);
    capped.delete(key);
    capped.set(into, { ...bucket, fields: union(before?.fields, fields) });
    surplus--;
  }
  return capped;
}
