/**
 * The set of fields that an applied object states.
 *
 * Leaves, atomic values and empty objects stand for themselves; list items and map keys are members besides what they hold.
 * Source: structured-merge-diff `typed.ToFieldSet`.
 */
import { isJsonObject } from '../json-value.ts';
import { ANY, type Schema } from '../schema.ts';
import { badRequest } from '../status-error.ts';
import { FieldSet } from './field-set.ts';
import { fieldStep, itemStep, renderPath } from './path-step.ts';

/** Metadata that no manager owns. */
const UNOWNED_META = [
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
].map(fieldStep);

/**
 * The fields of an applied object.
 *
 * @throws StatusError BadRequest when items of a keyed list lack their key or stand twice
 */
export function fieldSetOf(schema: Schema, value: unknown): FieldSet {
  const set = new FieldSet();
  collect(schema, value, set, []);
  return set;
}

/** Every path of `value`, containers too, as a change that adds it states them. `set` is the node of the value itself. */
export function addedSetOf(schema: Schema, value: unknown, set: FieldSet): void {
  set.member = true;
  if (isLeaf(schema, value)) return;
  if (schema.kind === 'list') {
    for (const item of value as unknown[]) {
      const step = itemStep(schema, item);
      if (step !== undefined) addedSetOf(schema.items, item, set.child(step));
    }
    return;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const inner = schema.kind === 'struct' ? schema.fields.get(key) : undefined;
    addedSetOf(inner?.schema ?? (schema.kind === 'map' ? schema.values : ANY), object[key], set.child(fieldStep(key)));
  }
}

/** Takes out what belongs to no manager: identity, server-set metadata, and the given paths. Changes `set`. */
export function stripUnowned(set: FieldSet, ignored: readonly (readonly string[])[]): FieldSet {
  const { children } = set;
  if (children === undefined) return set;
  children.delete('f:apiVersion');
  children.delete('f:kind');
  const meta = children.get('f:metadata');
  if (meta !== undefined) {
    meta.member = false;
    for (const step of UNOWNED_META) meta.children?.delete(step);
    if (meta.isEmpty) children.delete('f:metadata');
  }
  for (const path of ignored) removePath(set, path.map(fieldStep));
  return set;
}

function removePath(set: FieldSet, path: readonly string[]): void {
  const [step, ...rest] = path;
  const node = step === undefined ? undefined : set.children?.get(step);
  if (step === undefined || node === undefined) return;
  if (rest.length > 0) removePath(node, rest);
  if (rest.length === 0 || node.isEmpty) set.children?.delete(step);
}

/** Whether server-side apply owns the value as a whole. */
export function isLeaf(schema: Schema, value: unknown): boolean {
  switch (schema.kind) {
    case 'scalar':
    case 'any':
      return true;
    case 'list':
      return schema.listType === 'atomic' || !Array.isArray(value);
    case 'map':
    case 'struct':
      return schema.atomic || !isJsonObject(value);
  }
}

function collect(schema: Schema, value: unknown, set: FieldSet, path: string[]): void {
  if (isLeaf(schema, value)) {
    set.member = true;
    return;
  }
  if (schema.kind === 'list') {
    const seen = new Set<string>();
    for (const [i, item] of (value as unknown[]).entries()) {
      const step = itemStep(schema, item);
      if (step === undefined) {
        const why = `associative list with keys has an element that omits key field "${schema.mapKeys[0] ?? ''}" (and doesn't have default value)`;
        throw badRequest(`failed to create typed patch object: ${renderPath(path)}: element ${i}: ${why}`);
      }
      if (seen.has(step)) {
        throw badRequest(
          `failed to create typed patch object: ${renderPath(path)}: duplicate entries for key ${renderPath([step])}`,
        );
      }
      seen.add(step);
      const node = set.child(step);
      collect(schema.items, item, node, [...path, step]);
      node.member = true;
    }
    return;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const member = object[key];
    const field = schema.kind === 'struct' ? schema.fields.get(key) : undefined;
    const step = fieldStep(key);
    const node = set.child(step);
    path.push(step);
    collect(field?.schema ?? (schema.kind === 'map' ? schema.values : ANY), member, node, path);
    path.pop();
    const empty = member === null || (isJsonObject(member) && Object.keys(member).length === 0);
    if (empty || field === undefined) node.member = true;
    else if (node.isEmpty) set.children?.delete(step);
  }
}
