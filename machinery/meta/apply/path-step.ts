/**
 * The steps of a path: how list items are told apart, and how a path is shown to people.
 * Source: structured-merge-diff `fieldpath.PathElement`.
 */
import { goQuote } from '../go-quote.ts';
import { canonicalJson, getOwn, isJsonObject, type JsonValue } from '../json-value.ts';
import type { ListSchema } from '../schema.ts';

/** The step to a field or map value. */
export function fieldStep(name: string): string {
  return `f:${name}`;
}

/** The step to an item of a set or map list; undefined when the item has no key at all. */
export function itemStep(schema: ListSchema, item: unknown): string | undefined {
  if (schema.listType === 'set') return `v:${canonicalJson(item)}`;
  if (!isJsonObject(item)) return undefined;
  if (schema.mapKeys.length === 1) {
    const [key = ''] = schema.mapKeys;
    const value = keyValue(schema, item, key);
    return value === undefined ? undefined : `k:{${JSON.stringify(key)}:${JSON.stringify(value)}}`;
  }
  const members: string[] = [];
  for (const key of [...schema.mapKeys].sort()) {
    const value = keyValue(schema, item, key);
    if (value !== undefined) members.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  }
  return members.length === 0 ? undefined : `k:{${members.join(',')}}`;
}

/** A path as conflicts show it: `.spec.containers[name="x"].image`. */
export function renderPath(path: readonly string[]): string {
  return path.map(renderStep).join('');
}

function renderStep(step: string): string {
  const rest = step.slice(2);
  switch (step.charAt(0)) {
    case 'k': {
      const keys = JSON.parse(rest) as Record<string, JsonValue>;
      return `[${Object.entries(keys)
        .map(([key, value]) => `${key}=${show(value)}`)
        .join(',')}]`;
    }
    case 'v':
      return `[=${show(JSON.parse(rest) as JsonValue)}]`;
    case 'i':
      return `[${rest}]`;
    default:
      return `.${rest}`;
  }
}

function show(value: JsonValue): string {
  return typeof value === 'string' ? goQuote(value) : JSON.stringify(value);
}

/** Keys that are left out have their default: a port's protocol is TCP. */
function keyValue(schema: ListSchema, item: Record<string, JsonValue>, key: string): JsonValue | undefined {
  const value = getOwn(item, key);
  if (value !== undefined && value !== null) return value;
  return schema.items.kind === 'struct' ? schema.items.fields.get(key)?.defaultValue : undefined;
}
