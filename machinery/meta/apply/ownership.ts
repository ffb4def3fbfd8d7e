/**
 * What a change to an object does to the ownership of its fields.
 * Source: structured-merge-diff `merge/update.go`.
 */
import type { Comparison } from './compare-objects.ts';
import type { Conflict } from './conflict.ts';
import { difference, intersection, union, withoutSubtrees } from './field-set.ts';
import { withFields, type Manager, type Managers } from './managers.ts';

/** What changed, told in the version in which a manager said what it owns. */
export type ComparisonFor = (apiVersion: string) => Comparison;

/** Fields of others that the change sets. */
export function conflictsOf(managers: Managers, workflow: string, changeIn: ComparisonFor): Conflict[] {
  const conflicts: Conflict[] = [];
  for (const [key, manager] of managers) {
    if (key === workflow) continue;
    const { modified, added } = changeIn(manager.apiVersion);
    const fields = intersection(manager.fields, union(modified, added));
    if (!fields.isEmpty) conflicts.push({ manager, fields });
  }
  return conflicts;
}

/** The managers after others lost what the change set or removed. The one called `workflow` is left as it is. */
export function othersAfter(managers: Managers, workflow: string, changeIn: ComparisonFor): Map<string, Manager> {
  const after = new Map<string, Manager>();
  for (const [key, manager] of managers) {
    const change = changeIn(manager.apiVersion);
    const touched = union(change.modified, change.added);
    if (key === workflow || (touched.isEmpty && change.removed.isEmpty)) after.set(key, manager);
    else
      after.set(
        key,
        withFields(manager, withoutSubtrees(difference(manager.fields, touched), change.removed), manager.time),
      );
  }
  return after;
}
