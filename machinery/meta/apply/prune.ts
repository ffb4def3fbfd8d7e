/**
 * Removes what a manager applied last time, does not apply any more, and nobody else owns.
 *
 * - A field of a struct counts as owned when anything below it is; a list item or the key of a map only when it is named itself.
 * - What goes takes everything below it along, defaults that nobody owns included.
 *
 * Source: structured-merge-diff `merge/update.go` (prune, addBackOwnedItems, addBackDanglingItems).
 */
import { isJsonObject, setOwn } from '../json-value.ts';
import { childSchema, type Schema } from '../schema.ts';
import type { FieldSet } from './field-set.ts';
import { isLeaf } from './object-set.ts';
import { itemStep } from './path-step.ts';

/**
 * The pruned value; `value` itself when nothing goes.
 *
 * @param last what the manager owned before
 * @param managed what anybody owns now, this manager included
 */
export function prune(schema: Schema, value: unknown, last: FieldSet, managed: FieldSet | undefined): unknown {
  if (last.children === undefined || isLeaf(schema, value)) return value;
  if (Array.isArray(value)) return schema.kind === 'list' ? pruneItems(schema, value, last, managed) : value;
  if (!isJsonObject(value)) return value;
  let pruned: Record<string, unknown> | undefined;
  for (const [step, node] of last.children) {
    const key = step.slice(2);
    if (!step.startsWith('f:') || !Object.hasOwn(value, key)) continue;
    const old = value[key];
    const named = schema.kind === 'struct' && schema.fields.has(key);
    const next = pruneChild(childSchema(schema, key), old, node, managed?.children?.get(step), named);
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
        : pruneChild(schema.items, item, node, managed?.children?.get(step), false);
    if (next !== item) changed = true;
    if (next !== undefined) kept.push(next);
  }
  return changed ? kept : list;
}

/** What is left of a child; undefined for nothing. */
function pruneChild(
  schema: Schema,
  value: unknown,
  last: FieldSet,
  managed: FieldSet | undefined,
  named: boolean,
): unknown {
  const owned = (set: FieldSet | undefined): boolean => set !== undefined && (named || set.member);
  if (owned(last) && !owned(managed)) return undefined;
  return prune(schema, value, last, managed);
}
