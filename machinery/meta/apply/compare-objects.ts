/**
 * What differs between two objects, as sets of fields. Parts that are the same object in memory are not looked at.
 * Source: structured-merge-diff `typed.Compare`.
 */
import { jsonEquals } from '../json-value.ts';
import { ANY, type FieldSchema, type ListSchema, type Schema } from '../schema.ts';
import { FieldSet } from './field-set.ts';
import { addedSetOf, isLeaf } from './object-set.ts';
import { fieldStep, itemStep } from './path-step.ts';

/** The difference between an older and a newer object. */
export interface Comparison {
  /** New paths, containers and leaves. */
  readonly added: FieldSet;
  /** Leaves with another value. */
  readonly modified: FieldSet;
  /** Paths that are gone with all that was below them; only the topmost is named. */
  readonly removed: FieldSet;
}

/** Compares two objects of one type. */
export function compareObjects(schema: Schema, old: unknown, next: unknown): Comparison {
  const walk = new Walk();
  walk.compare(schema, old, next);
  return walk;
}

class Walk implements Comparison {
  readonly added = new FieldSet();
  readonly modified = new FieldSet();
  readonly removed = new FieldSet();
  readonly #path: string[] = [];

  compare(schema: Schema, old: unknown, next: unknown): void {
    if (old === next) return;
    if (isLeaf(schema, old) || isLeaf(schema, next)) {
      if (!jsonEquals(old, next)) this.modified.insert(this.#path);
    } else if (schema.kind === 'list') this.#items(schema, old as unknown[], next as unknown[]);
    else this.#members(schema, old as Record<string, unknown>, next as Record<string, unknown>);
  }

  #members(schema: Schema, old: Record<string, unknown>, next: Record<string, unknown>): void {
    for (const key in next) {
      const value = next[key];
      const before = Object.hasOwn(old, key) ? old[key] : undefined;
      if (value === before || value === undefined) continue;
      const field = schema.kind === 'struct' ? schema.fields.get(key) : undefined;
      this.#step(fieldStep(key), field?.schema ?? (schema.kind === 'map' ? schema.values : ANY), before, value, field);
    }
    for (const key in old) {
      if (old[key] === undefined || (Object.hasOwn(next, key) && next[key] !== undefined)) continue;
      this.#path.push(fieldStep(key));
      this.removed.insert(this.#path);
      this.#path.pop();
    }
  }

  #items(schema: ListSchema, old: readonly unknown[], next: readonly unknown[]): void {
    const before = byStep(schema, old);
    const after = byStep(schema, next);
    for (const [step, item] of after) this.#step(step, schema.items, before.get(step), item);
    for (const step of before.keys()) {
      if (after.has(step)) continue;
      this.#path.push(step);
      this.removed.insert(this.#path);
      this.#path.pop();
    }
  }

  #step(step: string, schema: Schema, before: unknown, value: unknown, field?: FieldSchema): void {
    if (before === value) return;
    this.#path.push(step);
    const stood = before ?? writtenZero(schema, field);
    if (stood !== undefined) this.compare(schema, stood, value);
    else {
      let node: FieldSet = this.added;
      for (const part of this.#path) node = node.child(part);
      addedSetOf(schema, value, node);
    }
    this.#path.pop();
  }
}

/** Go writes plain structs, and lists that may not be left out, even when they are empty: they stood there before. */
function writtenZero(schema: Schema, field: FieldSchema | undefined): unknown {
  if (field === undefined || field.pointer) return undefined;
  if (schema.kind === 'struct') return {};
  return schema.kind === 'list' && !field.optional ? [] : undefined;
}

function byStep(schema: ListSchema, list: readonly unknown[]): Map<string, unknown> {
  const items = new Map<string, unknown>();
  for (const item of list) {
    const step = itemStep(schema, item);
    if (step !== undefined) items.set(step, item);
  }
  return items;
}
