/**
 * The schema of API types as decoding, patches and server-side apply read it.
 *
 * The shapes are plain data, so that custom resources can bring schemas of their own; for built-in types they are made
 * from the table in proto/api (schema-table.ts). Types are recursive: children are resolved when they are first asked for.
 */

/** What a scalar may hold. `intOrString`, `quantity`, `time` and the like are text with a syntax. */
export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'float'
  | 'quantity'
  | 'intOrString'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'bytes';

/** A single value. */
export interface ScalarSchema {
  readonly kind: 'scalar';
  readonly scalar: ScalarKind;
  /** The values that the API defines; more may be allowed. Decoding does not check them, validation does. */
  readonly enum?: readonly string[];
  /** As upstream's error messages call it: `int32`, `v1.Protocol`. */
  readonly goType: string;
}

/** An object with known fields. */
export interface StructSchema {
  readonly kind: 'struct';
  /** Type name without package: `PodSpec`. */
  readonly name: string;
  /** Package and type, for errors: `v1.PodSpec`. */
  readonly goType: string;
  readonly fields: ReadonlyMap<string, FieldSchema>;
  /** Owned and replaced as a whole by server-side apply. */
  readonly atomic: boolean;
  /** Unknown fields are kept (custom resources with x-kubernetes-preserve-unknown-fields). */
  readonly preserveUnknown?: boolean;
}

/** A list; `listType` decides how server-side apply merges it. */
export interface ListSchema {
  readonly kind: 'list';
  readonly items: Schema;
  readonly goType: string;
  readonly listType: 'atomic' | 'set' | 'map';
  /** The keys of a `map` list, in the table's order; empty otherwise. */
  readonly mapKeys: readonly string[];
}

/** An object with free keys. */
export interface MapSchema {
  readonly kind: 'map';
  readonly values: Schema;
  readonly goType: string;
  readonly atomic: boolean;
}

/** Any JSON; kept as it is and owned as a whole. */
export interface AnySchema {
  readonly kind: 'any';
}

export type Schema = ScalarSchema | StructSchema | ListSchema | MapSchema | AnySchema;

/** How strategic merge treats a field. */
export interface PatchStrategy {
  /** Lists merge item by item. */
  readonly merge: boolean;
  /** The field is replaced whole. */
  readonly replace: boolean;
  /** Only the fields that `$retainKeys` names stay. */
  readonly retainKeys: boolean;
  /** The key of a merged list of objects. */
  readonly mergeKey: string | undefined;
}

/** A field of a struct. */
export interface FieldSchema {
  readonly name: string;
  readonly schema: Schema;
  readonly optional: boolean;
  /** Zero values (`''`, 0, false, empty lists and maps) are the same as none: Go writes neither. */
  readonly omitEmpty: boolean;
  /** Absent is not the same as empty: a pointer in upstream's types. */
  readonly pointer: boolean;
  readonly patch: PatchStrategy;
  /** The default in the table, parsed; undefined if there is none. */
  readonly defaultValue: string | number | boolean | undefined;
}

/** The strategy of fields that the table says nothing about. */
export const PLAIN_PATCH: PatchStrategy = Object.freeze({
  merge: false,
  replace: false,
  retainKeys: false,
  mergeKey: undefined,
});

/** The schema of arbitrary JSON. */
export const ANY: AnySchema = Object.freeze({ kind: 'any' });

/** The schema of a named field or map value; `any` where nothing is known. */
export function childSchema(schema: Schema, key: string): Schema {
  if (schema.kind === 'struct') return schema.fields.get(key)?.schema ?? ANY;
  return schema.kind === 'map' ? schema.values : ANY;
}
