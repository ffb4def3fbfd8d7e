/**
 * Turns the table of proto/api/schema.ts into schemas, each type when it is first asked for, once.
 *
 * Type references read as in upstream's source: `[]Container`, `map[string]string`, `*int32`, `metav1.ObjectMeta`.
 */
import { apiTable, type ApiTable, type RawField, type RawType } from '../../proto/api/schema.ts';
import { ATOMIC_STRUCTS } from './schema-atomic.ts';
import {
  ANY,
  PLAIN_PATCH,
  type FieldSchema,
  type ListSchema,
  type PatchStrategy,
  type ScalarKind,
  type Schema,
} from './schema.ts';

const META = 'apimachinery/pkg/apis/meta/v1';
const CORE = 'api/core/v1';

const SCALARS: ReadonlyMap<string, ScalarKind> = new Map([
  ['string', 'string'],
  ['bool', 'bool'],
  ['int32', 'int32'],
  ['int64', 'int64'],
  ['int', 'int64'],
  ['float32', 'float'],
  ['float64', 'float'],
  ['[]byte', 'bytes'],
  ['types.UID', 'string'],
  ['resource.Quantity', 'quantity'],
  ['intstr.IntOrString', 'intOrString'],
  ['time.Duration', 'int64'],
  ['time.Time', 'time'],
  ['metav1.Time', 'time'],
  ['metav1.MicroTime', 'microTime'],
  ['metav1.Duration', 'duration'],
]);

/** Types whose JSON form is not what their fields say. */
const OPAQUE: ReadonlySet<string> = new Set([
  'FieldsV1',
  'RawExtension',
  'Patch',
  'JSON',
  'JSONSchemaPropsOrArray',
  'JSONSchemaPropsOrBool',
  'JSONSchemaPropsOrStringArray',
]);

/**
 * Optional fields that Go writes all the same: their tags lack `omitempty`. Source: `api/rbac/v1`, `api/discovery/v1`, `api/autoscaling/v2`.
 */
const ALWAYS_WRITTEN: ReadonlySet<string> = new Set([
  // An empty list is a request of its own here: it resets ownership.
  'ObjectMeta.managedFields',
  'Role.rules',
  'ClusterRole.rules',
  'EndpointSlice.ports',
  'HorizontalPodAutoscalerStatus.currentMetrics',
]);

/** Package names in references; `v1` depends on where it stands. */
const PACKAGES: ReadonlyMap<string, readonly string[]> = new Map([
  ['metav1', [META]],
  ['corev1', [CORE]],
  ['apiv1', [CORE]],
  ['v1', [CORE, META, 'kube-scheduler/config/v1beta1']],
  ['batchv1', ['api/batch/v1']],
  ['authnv1', ['api/authentication/v1']],
  ['componentbaseconfigv1alpha1', ['component-base/config/v1alpha1']],
  ['runtime', ['apimachinery/pkg/runtime']],
]);

/** Schemas by package and type. Schemas are immutable; the same reference gives the same object. */
export class SchemaTable {
  readonly #table: ApiTable;
  readonly #cache = new Map<string, Schema>();

  constructor(table: ApiTable) {
    this.#table = table;
  }

  /**
   * The schema of a type, for example `type('api/apps/v1', 'Deployment')`.
   *
   * @throws Error when the table has no such type
   */
  type(packageKey: string, name: string): Schema {
    if (this.#raw(packageKey, name) === undefined) throw new Error(`No type ${name} in ${packageKey}`);
    return this.#named(packageKey, name);
  }

  #raw(packageKey: string, name: string): RawType | undefined {
    const types = Object.hasOwn(this.#table, packageKey) ? this.#table[packageKey] : undefined;
    return types !== undefined && Object.hasOwn(types, name) ? types[name] : undefined;
  }

  #named(packageKey: string, name: string): Schema {
    const key = `${packageKey}.${name}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const schema = this.#compile(packageKey, name);
    this.#cache.set(key, schema);
    return schema;
  }

  #compile(packageKey: string, name: string): Schema {
    if (OPAQUE.has(name)) return ANY;
    const scalar = packageKey === META ? SCALARS.get(`metav1.${name}`) : undefined;
    const goType = `${packageKey.slice(packageKey.lastIndexOf('/') + 1)}.${name}`;
    if (scalar !== undefined) return { kind: 'scalar', scalar, goType };
    const raw = this.#raw(packageKey, name);
    if (raw === undefined) return ANY;
    if (raw.alias !== undefined) return this.#alias(packageKey, raw.alias, goType, raw.enum);
    return new LazyStruct(name, goType, ATOMIC_STRUCTS.has(key(packageKey, name)), () =>
      this.#fields(packageKey, name, raw),
    );
  }

  #alias(packageKey: string, target: string, goType: string, values: readonly string[] | undefined): Schema {
    const schema = this.#reference(packageKey, target, undefined);
    if (schema.kind !== 'scalar') return schema;
    return { ...schema, goType, ...(values === undefined ? {} : { enum: values }) };
  }

  #fields(packageKey: string, type: string, raw: RawType): ReadonlyMap<string, FieldSchema> {
    const fields = new Map<string, FieldSchema>();
    for (const field of raw.fields ?? []) {
      if (field.name !== '') {
        fields.set(field.name, new LazyField(type, field, () => this.#reference(packageKey, field.type, field)));
        continue;
      }
      const embedded = this.#reference(packageKey, field.type, undefined);
      if (embedded.kind === 'struct') for (const [name, inner] of embedded.fields) fields.set(name, inner);
    }
    return fields;
  }

  #reference(packageKey: string, reference: string, field: RawField | undefined): Schema {
    const text = reference.startsWith('*') ? reference.slice(1) : reference;
    const scalar = SCALARS.get(text);
    if (scalar !== undefined) return { kind: 'scalar', scalar, goType: text === '[]byte' ? '[]uint8' : text };
    if (text.startsWith('[]')) return this.#list(packageKey, text.slice(2), field);
    if (text.startsWith('map[')) return this.#map(packageKey, text, field);
    const dot = text.indexOf('.');
    const name = text.slice(dot + 1);
    const packages = dot < 0 ? [packageKey] : packagesOf(text.slice(0, dot));
    const home = packages.find(candidate => this.#raw(candidate, name) !== undefined);
    return home === undefined ? ANY : retagged(this.#named(home, name), field);
  }

  #list(packageKey: string, item: string, field: RawField | undefined): ListSchema {
    const items = lazy(() => this.#reference(packageKey, item, undefined));
    return {
      kind: 'list',
      get items() {
        return items();
      },
      get goType() {
        return `[]${goTypeOf(items())}`;
      },
      listType: field?.listType ?? 'atomic',
      mapKeys: field?.listMapKeys ?? [],
    };
  }

  #map(packageKey: string, text: string, field: RawField | undefined): Schema {
    const values = lazy(() => this.#reference(packageKey, text.slice(text.indexOf(']') + 1), undefined));
    return {
      kind: 'map',
      get values() {
        return values();
      },
      get goType() {
        return `map[string]${goTypeOf(values())}`;
      },
      atomic: field?.mapType === 'atomic',
    };
  }
}

/** The schemas of the built-in types; each is made once and never changes. */
const builtin = new SchemaTable(apiTable);

/**
 * The schema of a built-in type: `schemaOf('api/apps/v1', 'Deployment')`.
 *
 * @throws Error when the table has no such type
 */
export function schemaOf(packageKey: string, name: string): Schema {
  return builtin.type(packageKey, name);
}

/** The table's packages that a qualifier in a type reference (`metav1`) may stand for; the first that has the type is meant. */
export function packagesOf(qualifier: string): readonly string[] {
  return PACKAGES.get(qualifier) ?? [];
}

class LazyStruct {
  readonly kind = 'struct';
  readonly name: string;
  readonly goType: string;
  readonly atomic: boolean;
  readonly #fields: () => ReadonlyMap<string, FieldSchema>;

  constructor(name: string, goType: string, atomic: boolean, fields: () => ReadonlyMap<string, FieldSchema>) {
    this.name = name;
    this.goType = goType;
    this.atomic = atomic;
    this.#fields = lazy(fields);
  }

  get fields(): ReadonlyMap<string, FieldSchema> {
    return this.#fields();
  }
}

class LazyField implements FieldSchema {
  readonly name: string;
  readonly optional: boolean;
  readonly omitEmpty: boolean;
  readonly pointer: boolean;
  readonly patch: PatchStrategy;
  readonly defaultValue: string | number | boolean | undefined;
  readonly #schema: () => Schema;

  constructor(type: string, raw: RawField, schema: () => Schema) {
    this.name = raw.name;
    this.optional = raw.optional === true;
    this.pointer = raw.type.startsWith('*');
    this.omitEmpty = this.optional && !this.pointer && !ALWAYS_WRITTEN.has(`${type}.${raw.name}`);
    this.patch = patchOf(raw);
    this.defaultValue = defaultOf(raw.default);
    this.#schema = lazy(schema);
  }

  get schema(): Schema {
    return this.#schema();
  }
}

function key(packageKey: string, name: string): string {
  return `${packageKey}.${name}`;
}

function lazy<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}

/** A field may say of a struct or map what its type does not. */
function retagged(schema: Schema, field: RawField | undefined): Schema {
  const tag = field?.structType ?? field?.mapType;
  if (tag === undefined || (schema.kind !== 'struct' && schema.kind !== 'map')) return schema;
  const atomic = tag === 'atomic';
  if (schema.atomic === atomic) return schema;
  if (schema.kind === 'struct') return new LazyStruct(schema.name, schema.goType, atomic, () => schema.fields);
  return { kind: 'map', values: schema.values, goType: schema.goType, atomic };
}

function patchOf(raw: RawField): PatchStrategy {
  if (raw.patchStrategy === undefined && raw.patchMergeKey === undefined) return PLAIN_PATCH;
  const words = (raw.patchStrategy ?? '').split(',');
  return {
    merge: words.includes('merge'),
    replace: words.includes('replace'),
    retainKeys: words.includes('retainKeys'),
    mergeKey: raw.patchMergeKey,
  };
}

/** Defaults stand in the table as JSON text; `ref(...)` names a Go constant and is left to the kind's own defaulting. */
function defaultOf(raw: unknown): string | number | boolean | undefined {
  if (typeof raw !== 'string' || raw.startsWith('ref(')) return undefined;
  const value: unknown = JSON.parse(raw);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

function goTypeOf(schema: Schema): string {
  return schema.kind === 'any' ? 'interface {}' : schema.goType;
}
