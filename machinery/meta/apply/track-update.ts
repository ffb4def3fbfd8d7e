/**
 * Keeps `metadata.managedFields` when an object is created, updated or patched by other means than apply.
 * Source: apimachinery `util/managedfields/internal/managedfieldsupdater.go` and structured-merge-diff, 1.36.
 */
import type { ManagedFieldsEntry } from '../../../proto/api/meta-v1.ts';
import type { KubeObject } from '../object.ts';
import type { Schema } from '../schema.ts';
import { compareObjects, type Comparison } from './compare-objects.ts';
import { FieldSet, union, withoutSubtrees } from './field-set.ts';
import {
  capUpdaters,
  decodeManagers,
  encodeManagers,
  managerKey,
  withFields,
  type Manager,
  type Managers,
} from './managers.ts';
import { stripUnowned } from './object-set.ts';
import { othersAfter, type ComparisonFor } from './ownership.ts';

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
  /** The object in another version, for managers that wrote it in that; undefined for a version that is not served. */
  readonly inVersion?: (apiVersion: string) => VersionedForm | undefined;
}

/** How an object looks in one version. */
export interface VersionedForm {
  readonly schema: Schema;
  /** From the version of the change. */
  convert(object: KubeObject): KubeObject;
}

/**
 * The managedFields of `next`. Undefined when the object is not tracked: it was stored without, or the change resets them
 * with `managedFields: [{}]`.
 */
export function trackUpdate(change: Change, next: KubeObject): ManagedFieldsEntry[] | undefined {
  const { live } = change;
  const managers = managersOf(change, next.metadata.managedFields);
  if (live !== undefined && managers.size === 0) return undefined;
  const entries = updateManagers(change, live ?? {}, next, managers);
  return entries.length === 0 ? undefined : entries;
}

/**
 * Whoever writes an object back sends the entries along, perhaps edited; without any, or with any that cannot be read, the
 * stored ones count. A subresource changes none of them.
 */
function managersOf({ live, subresource }: Change, stated: readonly ManagedFieldsEntry[] | undefined): Managers {
  const stored = (): Managers => decodeManagers(live?.metadata.managedFields) ?? new Map();
  if (subresource !== undefined || stated === undefined) return stored();
  if (isReset(stated)) return new Map();
  return decodeManagers(stated) ?? stored();
}

function isReset(stated: readonly ManagedFieldsEntry[]): boolean {
  return stated.length === 0 || (stated.length === 1 && Object.keys(stated[0] ?? {}).length === 0);
}

function updateManagers(change: Change, live: object, next: object, managers: Managers): ManagedFieldsEntry[] {
  const own = newManager(change, 'Update');
  const key = managerKey(own);
  const compared = ownedPart(compareObjects(change.schema, live, next), change.ignored ?? []);
  const after = othersAfter(managers, key, comparisonFor(change, compared, live, next));
  const before = managers.get(key) ?? own;
  const touched = union(compared.modified, compared.added);
  const fields = union(withoutSubtrees(before.fields, compared.removed), touched);
  // Whoever sets a value does it now, also a value that was theirs; who only takes something away does not.
  after.set(key, withFields(before, fields, touched.isEmpty ? before.time : change.now));
  return encodeManagers(capUpdaters(after));
}

/** `compared` for managers of the change's own version; others are told of the change in theirs. */
export function comparisonFor(
  { apiVersion: own, inVersion, ignored = [] }: Change,
  compared: Comparison,
  live: object,
  next: object,
): ComparisonFor {
  const known = new Map([[own, compared]]);
  return apiVersion => {
    const found = known.get(apiVersion);
    if (found !== undefined) return found;
    const form = inVersion?.(apiVersion);
    const told =
      form === undefined || !('metadata' in live)
        ? compared
        : ownedPart(
            compareObjects(form.schema, form.convert(live as KubeObject), form.convert(next as KubeObject)),
            ignored,
          );
    known.set(apiVersion, told);
    return told;
  };
}

/** The comparison without what belongs to no manager. */
export function ownedPart(compared: Comparison, ignored: readonly (readonly string[])[]): Comparison {
  stripUnowned(compared.added, ignored);
  stripUnowned(compared.modified, ignored);
  stripUnowned(compared.removed, ignored);
  return compared;
}

/** A manager that owns nothing yet. */
export function newManager(change: Change, operation: 'Apply' | 'Update'): Manager {
  const { manager: name, apiVersion, subresource = '' } = change;
  return { name, operation, apiVersion, subresource, time: undefined, fields: new FieldSet() };
}
