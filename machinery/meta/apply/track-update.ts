/**
 * Keeps `metadata.managedFields` when an object is created, updated or patched by other means than apply.
 * Source: apimachinery `util/managedfields/internal/managedfieldsupdater.go` and structured-merge-diff, 1.36.
 */
import type { ManagedFieldsEntry } from '../../../proto/api/meta-v1.ts';
import type { KubeObject } from '../object.ts';
import type { Schema } from '../schema.ts';
import { compareObjects } from './compare-objects.ts';
import { FieldSet, union, withoutSubtrees } from './field-set.ts';
import { decodeManagers, encodeManagers, managerKey, withFields, type Manager } from './managers.ts';
import { stripUnowned } from './object-set.ts';
import { othersAfter } from './ownership.ts';

/** Who changes an object, and how. */
export interface Change {
  readonly schema: Schema;
  /** The object as stored; undefined when the change creates it. Not modified. */
  readonly live: KubeObject | undefined;
  readonly manager: string;
  /** The version that the object is written in: `apps/v1`. */
  readonly apiVersion: string;
  /** `status`, `scale`; undefined for the object itself. */
  readonly subresource?: string | undefined;
  /** RFC 3339, seconds. */
  readonly now: string;
  /** Fields that this endpoint does not write, such as `[['status']]`; nobody comes to own them through it. */
  readonly ignored?: readonly (readonly string[])[];
}

/**
 * The managedFields of `next`. Undefined when the object is not tracked: it was stored without, or the change resets them
 * with `managedFields: [{}]`.
 */
export function trackUpdate(change: Change, next: KubeObject): ManagedFieldsEntry[] | undefined {
  const { live } = change;
  const stated = next.metadata.managedFields;
  if (stated?.length === 1 && Object.keys(stated[0] ?? {}).length === 0) return undefined;
  // Whoever writes an object back sends the entries along, perhaps edited; without any, the stored ones count.
  const entries = stated !== undefined && stated.length > 0 ? stated : live?.metadata.managedFields;
  if (live !== undefined && (entries === undefined || entries.length === 0)) return undefined;
  return updateManagers(change, live ?? {}, next, entries);
}

function updateManagers(
  change: Change,
  live: object,
  next: object,
  entries: readonly ManagedFieldsEntry[] | undefined,
): ManagedFieldsEntry[] {
  const managers = decodeManagers(entries);
  const own = newManager(change, 'Update');
  const key = managerKey(own);
  const compared = compareObjects(change.schema, live, next);
  const ignored = change.ignored ?? [];
  stripUnowned(compared.added, ignored);
  stripUnowned(compared.modified, ignored);
  const after = othersAfter(managers, key, compared);
  const before = managers.get(key) ?? own;
  const fields = union(withoutSubtrees(before.fields, compared.removed), union(compared.modified, compared.added));
  after.set(key, withFields(before, fields, change.now));
  return encodeManagers(after);
}

/** A manager that owns nothing yet. */
export function newManager(change: Change, operation: 'Apply' | 'Update'): Manager {
  const { manager: name, apiVersion, subresource = '' } = change;
  return { name, operation, apiVersion, subresource, time: undefined, fields: new FieldSet() };
}
