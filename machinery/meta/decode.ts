/**
 * Reads untyped JSON as a type: what a strict decoder in Go would take, drop or refuse.
 *
 * - Unknown fields are dropped and told; null members are dropped, and so are zero values where Go writes none; text with a
 *   syntax (quantities, times) gets its canonical form, because clients compare it. Nothing else is converted, no default is set.
 * - The first value of a wrong type ends the decoding, with the message that Go's decoder gives.
 * - A value that needs no change is returned itself, so a clean object costs one walk and no allocation.
 *
 * Source: sigs.k8s.io/json (messages), encoding/json.
 */
import { isJsonObject, setOwn } from './json-value.ts';
import { canonicalScalar } from './scalar.ts';
import { ANY, type ListSchema, type MapSchema, type ScalarKind, type Schema, type StructSchema } from './schema.ts';

/** What decoding gave. */
export interface Decoded {
  /** Shares unchanged parts with the input. */
  readonly value: unknown;
  /** Paths of the fields that the type does not have: `spec.containers[0].foo`, in the order of the document. */
  readonly unknownFields: readonly string[];
}

/** A kind of value. */
export type Wanted = ScalarKind | 'struct' | 'list' | 'map';

/** A value has the wrong type. The message is that of Go's decoder. */
export class DecodeError extends Error {
  /** Of the value: `spec.containers[0].ports`; empty for the whole document. */
  readonly path: string;
  /** What is wanted where another JSON type was found; undefined: the message says what is wrong with the value. */
  readonly wanted: Wanted | undefined;

  constructor(message: string, path: string, wanted?: Wanted) {
    super(message);
    this.name = 'DecodeError';
    this.path = path;
    this.wanted = wanted;
  }
}

/** Upper bound of unknown fields that are told; the rest are dropped silently. */
const MAX_TOLD = 100;

/** `stored` reads as Go's types would hold it; `applied` keeps nulls and zero values: who states them owns the fields. */
export type DecodeForm = 'stored' | 'applied';

/**
 * Checks `value` against `schema`.
 *
 * @throws DecodeError at the first value of a wrong type
 */
export function checkObject(schema: Schema, value: unknown, form: DecodeForm = 'stored'): Decoded {
  const walk = new Walk(form === 'applied');
  const checked = walk.check(schema, value);
  return { value: checked, unknownFields: walk.unknown };
}

class Walk {
  readonly unknown: string[] = [];
  /** Steps from the root: field names and list indexes. */
  readonly #path: (string | number)[] = [];
  readonly #structs: string[] = [];
  readonly #keepsEmpty: boolean;

  constructor(keepsEmpty: boolean) {
    this.#keepsEmpty = keepsEmpty;
  }

  check(schema: Schema, value: unknown): unknown {
    switch (schema.kind) {
      case 'scalar': {
        if (schema.scalar === 'string' && typeof value === 'string') return value;
        const result = canonicalScalar(schema.scalar, value);
        if (result.problem === undefined) return result.value;
        throw result.problem === 'type'
          ? this.#mismatch(value, schema.goType, schema.scalar)
          : new DecodeError(result.problem, this.#pathText());
      }
      case 'struct':
        if (!isJsonObject(value)) throw this.#mismatch(value, schema.goType, 'struct');
        return this.#struct(schema, value);
      case 'list':
        if (!Array.isArray(value)) throw this.#mismatch(value, schema.goType, 'list');
        return this.#list(schema, value);
      case 'map':
        if (!isJsonObject(value)) throw this.#mismatch(value, schema.goType, 'map');
        return this.#map(schema, value);
      case 'any':
        return value;
    }
  }

  #struct(schema: StructSchema, value: Record<string, unknown>): unknown {
    const { fields } = schema;
    let copy: Record<string, unknown> | undefined;
    this.#structs.push(schema.name);
    for (const key in value) {
      const member = value[key];
      const field = fields.get(key);
      let next: unknown;
      if (field === undefined && schema.preserveUnknown !== true) this.#tellUnknown(key);
      else if (member !== null && member !== undefined) {
        this.#path.push(key);
        next = this.check(field?.schema ?? ANY, member);
        this.#path.pop();
        if (!this.#keepsEmpty && field?.omitEmpty === true && isZero(field.schema, next)) next = undefined;
      } else if (this.#keepsEmpty && member === null) next = null;
      if (next === member) {
        if (copy !== undefined) setOwn(copy, key, next);
        continue;
      }
      copy ??= before(value, key, this.#keepsEmpty);
      if (next !== undefined) setOwn(copy, key, next);
    }
    this.#structs.pop();
    return copy ?? value;
  }

  #list(schema: ListSchema, value: readonly unknown[]): unknown {
    const items = schema.items;
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i);
      const member = value[i];
      const next = member === null ? zeroOf(items) : this.check(items, member);
      this.#path.pop();
      if (next !== member) copy ??= value.slice();
      if (copy !== undefined) copy[i] = next;
    }
    return copy ?? value;
  }

  #map(schema: MapSchema, value: Record<string, unknown>): unknown {
    const values = schema.values;
    let copy: Record<string, unknown> | undefined;
    for (const key in value) {
      const member = value[key];
      this.#path.push(key);
      const next = member === null ? (this.#keepsEmpty ? null : zeroOf(values)) : this.check(values, member);
      this.#path.pop();
      if (next !== member) copy ??= before(value, key, this.#keepsEmpty);
      if (copy !== undefined) setOwn(copy, key, next);
    }
    return copy ?? value;
  }

  #tellUnknown(key: string): void {
    if (this.unknown.length >= MAX_TOLD) return;
    this.unknown.push(this.#pathText(key));
  }

  #pathText(...more: string[]): string {
    let text = '';
    for (const step of [...this.#path, ...more])
      text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
    return text;
  }

  #mismatch(value: unknown, goType: string, wanted: Wanted): DecodeError {
    const what = `json: cannot unmarshal ${jsonTypeOf(value)} into Go`;
    const struct = this.#structs.at(-1);
    const fields = this.#path.filter(step => typeof step === 'string').join('.');
    const where = struct === undefined || fields === '' ? 'value' : `struct field ${struct}.${fields}`;
    return new DecodeError(`${what} ${where} of type ${goType}`, this.#pathText(), wanted);
  }
}

/** The members of `value` that stand before `key`. */
function before(value: Record<string, unknown>, key: string, withNulls: boolean): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name in value) {
    if (name === key) break;
    if (withNulls || value[name] !== null) setOwn(copy, name, value[name]);
  }
  return copy;
}

/** Whether Go leaves the value of an `omitempty` field out. Structs are always written, whatever they hold. */
function isZero(schema: Schema, value: unknown): boolean {
  if (value === '' || value === 0 || value === false)
    return schema.kind === 'scalar' && ZERO_OMITTED.has(schema.scalar);
  if (schema.kind === 'list') return Array.isArray(value) && value.length === 0;
  if (schema.kind !== 'map') return false;
  for (const _key in value as object) return false;
  return true;
}

/** The scalars that are no structs in Go. */
const ZERO_OMITTED: ReadonlySet<ScalarKind> = new Set(['string', 'bool', 'int32', 'int64', 'float', 'bytes']);

/** What Go makes of a null inside a list or map. */
function zeroOf(schema: Schema): unknown {
  switch (schema.kind) {
    case 'struct':
    case 'map':
      return {};
    case 'list':
      return [];
    case 'any':
      return null;
    case 'scalar':
      if (schema.scalar === 'bool') return false;
      return ['int32', 'int64', 'float', 'intOrString'].includes(schema.scalar)
        ? 0
        : schema.scalar === 'quantity'
          ? '0'
          : '';
  }
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
