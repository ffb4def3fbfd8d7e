/**
 * Makes JSON schemas of types from the schema table, together with all types that they refer to.
 *
 * The two versions of OpenAPI differ in little: where definitions stand, and that v3 wraps a reference which has a
 * description, and names the values of enumerations.
 */
import { apiTable, type RawField, type RawType } from '../../../proto/api/schema.ts';
import { definitionName, INT_OR_STRING, QUANTITY, RAW_EXTENSION } from './definition-names.ts';
import { describeField, describeType } from './descriptions/describe.ts';
import type { JsonSchema } from './json-schema.ts';

const META = 'apimachinery/pkg/apis/meta/v1';
const CORE = 'api/core/v1';
/** Which packages a prefix in a type reference can mean, in order. */
const QUALIFIERS: Readonly<Record<string, readonly string[]>> = {
  metav1: [META],
  corev1: [CORE],
  apiv1: [CORE],
  v1: [CORE, META],
  batchv1: ['api/batch/v1'],
  authnv1: ['api/authentication/v1'],
};
const SCALARS: Readonly<Record<string, JsonSchema>> = {
  string: { type: 'string' },
  'types.UID': { type: 'string' },
  bool: { type: 'boolean' },
  int: { type: 'integer', format: 'int64' },
  int32: { type: 'integer', format: 'int32' },
  uint32: { type: 'integer', format: 'int64' },
  int64: { type: 'integer', format: 'int64' },
  'time.Duration': { type: 'integer', format: 'int64' },
  float32: { type: 'number', format: 'float' },
  float64: { type: 'number', format: 'double' },
  '[]byte': { type: 'string', format: 'byte' },
  any: {},
};
/** Types whose JSON form is not that of their fields. */
const SPECIAL: ReadonlyMap<string, JsonSchema> = new Map<string, JsonSchema>([
  [definitionName(META, 'Time'), { type: 'string', format: 'date-time' }],
  [definitionName(META, 'MicroTime'), { type: 'string', format: 'date-time' }],
  [definitionName(META, 'Duration'), { type: 'string' }],
  [definitionName(META, 'FieldsV1'), { type: 'object' }],
  [definitionName(META, 'Patch'), { type: 'object' }],
  [QUANTITY, { type: 'string' }],
  [INT_OR_STRING, { type: 'string', format: 'int-or-string' }],
  [RAW_EXTENSION, { type: 'object' }],
]);

export class Definitions {
  /** By name, in the order in which they were met. */
  readonly all = new Map<string, JsonSchema>();
  readonly #v3: boolean;

  constructor(version: 'v2' | 'v3') {
    this.#v3 = version === 'v3';
  }

  /** Adds a type and everything below it. @returns its name */
  add(packageKey: string, name: string): string {
    const full = definitionName(packageKey, name);
    if (this.all.has(full)) return full;
    const special = SPECIAL.get(full);
    if (special !== undefined) {
      this.all.set(full, { ...withDescription(describeType(name)), ...this.#specialForm(full, special) });
      return full;
    }
    const schema: JsonSchema = { ...withDescription(describeType(name)), type: 'object' };
    this.all.set(full, schema);
    this.#fill(schema, packageKey, name, apiTable[packageKey]?.[name] ?? {});
    return full;
  }

  /** A schema that points at a definition. */
  ref(full: string): JsonSchema {
    return { $ref: `${this.#v3 ? '#/components/schemas/' : '#/definitions/'}${full}` };
  }

  #specialForm(full: string, schema: JsonSchema): JsonSchema {
    if (!this.#v3) return schema;
    if (full === QUANTITY) return { oneOf: [{ type: 'string' }, { type: 'number' }] };
    if (full === INT_OR_STRING) return { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
    return schema;
  }

  #fill(schema: JsonSchema, packageKey: string, name: string, type: RawType): void {
    const properties: Record<string, JsonSchema> = {};
    const required: string[] = [];
    this.#collect(properties, required, packageKey, name, type);
    if (Object.keys(properties).length > 0) {
      schema.properties = Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    if (required.length > 0) schema.required = required.sort();
  }

  #collect(
    properties: Record<string, JsonSchema>,
    required: string[],
    packageKey: string,
    name: string,
    type: RawType,
  ): void {
    for (const field of type.fields ?? []) {
      if (field.name === '') {
        const target = resolve(packageKey, field.type.replace(/^\*/, ''));
        if (target !== undefined) this.#collect(properties, required, target.packageKey, name, target.type);
        continue;
      }
      properties[field.name] = this.#property(packageKey, name, field);
      if (field.optional !== true) required.push(field.name);
    }
  }

  #property(packageKey: string, owner: string, field: RawField): JsonSchema {
    const bare = this.#reference(packageKey, field.type);
    const text = describeField(owner, field.name, typeNameOf(bare));
    const wrapped = this.#v3 && bare.$ref !== undefined;
    const schema: JsonSchema = wrapped
      ? { ...withDescription(text), allOf: [bare] }
      : { ...withDescription(text), ...bare };
    if (field.listType !== undefined && bare.type === 'array') schema['x-kubernetes-list-type'] = field.listType;
    if (field.listMapKeys !== undefined) schema['x-kubernetes-list-map-keys'] = field.listMapKeys;
    if (field.mapType !== undefined) schema['x-kubernetes-map-type'] = field.mapType;
    if (field.patchMergeKey !== undefined) schema['x-kubernetes-patch-merge-key'] = field.patchMergeKey;
    if (field.patchStrategy !== undefined) schema['x-kubernetes-patch-strategy'] = field.patchStrategy;
    return schema;
  }

  #reference(packageKey: string, reference: string): JsonSchema {
    const text = reference.replace(/^\*/, '');
    const scalar = SCALARS[text];
    if (scalar !== undefined) return scalar;
    if (text.startsWith('[]')) return { type: 'array', items: this.#item(packageKey, text.slice(2)) };
    if (text.startsWith('map[')) {
      return { type: 'object', additionalProperties: this.#item(packageKey, text.slice(text.indexOf(']') + 1)) };
    }
    if (text === 'resource.Quantity') return this.#special(QUANTITY, 'Quantity');
    if (text === 'intstr.IntOrString') return this.#special(INT_OR_STRING, 'IntOrString');
    if (text === 'runtime.RawExtension') return this.#special(RAW_EXTENSION, 'RawExtension');
    const target = resolve(packageKey, text);
    if (target === undefined) return { type: 'object' };
    if (target.type.alias === undefined) return this.ref(this.add(target.packageKey, target.name));
    const schema = this.#reference(target.packageKey, target.type.alias);
    return this.#v3 && target.type.enum !== undefined && schema.type === 'string'
      ? { ...schema, enum: [...target.type.enum].sort() }
      : schema;
  }

  /** Items and map values: v3 gives references there a default, which needs the wrapping. */
  #item(packageKey: string, reference: string): JsonSchema {
    const schema = this.#reference(packageKey, reference);
    return this.#v3 && schema.$ref !== undefined ? { allOf: [schema] } : schema;
  }

  #special(full: string, name: string): JsonSchema {
    const schema = SPECIAL.get(full);
    if (schema !== undefined && !this.all.has(full)) {
      this.all.set(full, { ...withDescription(describeType(name)), ...this.#specialForm(full, schema) });
    }
    return this.ref(full);
  }
}

interface Target {
  readonly packageKey: string;
  readonly name: string;
  readonly type: RawType;
}

function resolve(packageKey: string, reference: string): Target | undefined {
  const dot = reference.indexOf('.');
  const name = reference.slice(dot + 1);
  const packages = dot < 0 ? [packageKey] : (QUALIFIERS[reference.slice(0, dot)] ?? []);
  for (const candidate of packages) {
    const type = apiTable[candidate]?.[name];
    if (type !== undefined) return { packageKey: candidate, name, type };
  }
  return undefined;
}

/** The last part of what a schema, or what it holds, refers to. */
function typeNameOf(schema: JsonSchema): string {
  const target = schema.$ref ?? schema.items?.$ref ?? schema.additionalProperties?.$ref;
  return target?.slice(target.lastIndexOf('.') + 1) ?? '';
}

function withDescription(description: string): JsonSchema {
  return description === '' ? {} : { description };
}
