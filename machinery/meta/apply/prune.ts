/**
 * Removes what a manager applied last time, does not apply any more, and nobody else owns.
 * Source: structured-merge-diff `merge/update.go` (prune, addBackOwnedItems, addBackDanglingItems).
 */
import { isJsonObject, setOwn } from '../json-value.ts';
import { childSchema, type Schema } from '../schema.ts';
import type { FieldSet } from './field-set.ts';
import { itemStep } from './path-step.ts';

/**
 * The pruned value; `value` itself when nothing goes.
 *
 * @param last what the manager owned before
 * @param managed what anybody owns now, this manager included
 */
export function prune(schema: Schema, value: unknown, last: FieldSet, managed: FieldSet | undefined): unknown {
  if (last.children === undefined) return value;
  if (Array.isArray(value)) return schema.kind === 'list' ? pruneItems(schema, value, last, managed) : value;
  if (!isJsonObject(value)) return value;
  let pruned: Record<string, unknown> | undefined;
  for (const [step, node] of last.children) {
    const key = step.slice(2);
    if (!step.startsWith('f:') || !Object.hasOwn(value, key)) continue;
    const old = value[key];
    const next = pruneChild(childSchema(schema, key), old, node, managed?.children?.get(step));
    if (next === old) continue;
    pruned ??= { ...value };
    if (next === undefined) delete pruned[key];
    else setOwn(pruned, key, next);
  }
  return pruned ?? value;
}

function pruneItems(
  schema: Schema & { kind: 'list' },
  list: readonly unknown[],
  last: FieldSet,
  managed: FieldSet | undefined,
): unknown {
  let changed = false;
  const kept: unknown[] = [];
  for (const item of list) {
    const step = itemStep(schema, item);
    const node = step === undefined ? undefined : last.children?.get(step);
    const next =
      node === undefined || step === undefined
        ? item
        : pruneChild(schema.items, item, node, managed?.children?.get(step));
    if (next !== item) changed = true;
    if (next !== undefined) kept.push(next);
  }
  return changed ? kept : list;
}

/** What is left of a child; undefined for nothing. */
function pruneChild(schema: Schema, value: unknown, last: FieldSet, managed: FieldSet | undefined): unknown {
  // Owned as such, and by nobody now: it goes with everything below it, owned by nobody either.
  if (last.member && managed === undefined) return undefined;
  const next = prune(schema, value, last, managed);
  // A container that only held what went has no reason to stay.
  if (next !== value && managed === undefined && isEmptyContainer(next)) return undefined;
  return next;
}

function isEmptyContainer(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}
