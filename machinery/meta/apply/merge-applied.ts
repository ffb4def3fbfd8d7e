/**
 * Lays an applied object over the live one. Values of the applied one win; keyed lists merge item by item, sets by value;
 * atomic values are replaced. Parts that stay as they are come from the live object itself, not as copies.
 * Source: structured-merge-diff `typed/merge.go`.
 */
import { isJsonObject, jsonEquals, setOwn } from '../json-value.ts';
import { ANY, type ListSchema, type Schema } from '../schema.ts';
import { isLeaf } from './object-set.ts';
import { itemStep } from './path-step.ts';

/** The merged value; `live` itself when the applied one says nothing new. */
export function mergeApplied(schema: Schema, live: unknown, applied: unknown): unknown {
  if (live === undefined || live === applied) return applied;
  // A container that is null holds nothing to lay over the live one.
  if (applied === null && !isLeaf(schema, live)) return live;
  if (isLeaf(schema, applied) || isLeaf(schema, live)) return jsonEquals(live, applied) ? live : applied;
  if (schema.kind === 'list') return mergeItems(schema, live as unknown[], applied as unknown[]);
  return mergeMembers(schema, live as Record<string, unknown>, applied as Record<string, unknown>);
}

function mergeMembers(schema: Schema, live: Record<string, unknown>, applied: Record<string, unknown>): unknown {
  let merged: Record<string, unknown> | undefined;
  for (const key in applied) {
    const old = Object.hasOwn(live, key) ? live[key] : undefined;
    const child =
      schema.kind === 'struct' ? schema.fields.get(key)?.schema : schema.kind === 'map' ? schema.values : undefined;
    const next = mergeApplied(child ?? ANY, old, applied[key]);
    if (next === old) continue;
    merged ??= { ...live };
    setOwn(merged, key, next);
  }
  return merged ?? live;
}

function mergeItems(schema: ListSchema, live: readonly unknown[], applied: readonly unknown[]): unknown {
  const steps = live.map(item => itemStep(schema, item));
  const liveItems = new Map<string, unknown>();
  for (const [i, step] of steps.entries()) if (step !== undefined && !liveItems.has(step)) liveItems.set(step, live[i]);
  const appliedSteps = applied.map(item => itemStep(schema, item));
  const shared = new Set(appliedSteps);
  const merged: unknown[] = [];
  const done = new Set<string | undefined>();
  let next = 0;
  // Live items keep their places around those that are applied, which stand in the applied order.
  const passLiveOnly = (): void => {
    for (; next < live.length; next++) {
      const step = steps[next];
      if (step === undefined || !shared.has(step)) merged.push(live[next]);
      else if (!done.has(step)) return;
    }
  };
  for (const [i, item] of applied.entries()) {
    passLiveOnly();
    const step = appliedSteps[i];
    const old = step === undefined ? undefined : liveItems.get(step);
    merged.push(isJsonObject(item) ? mergeApplied(schema.items, old, item) : item);
    done.add(step);
  }
  passLiveOnly();
  const same = merged.length === live.length && merged.every((item, i) => item === live[i]);
  return same ? live : merged;
}
