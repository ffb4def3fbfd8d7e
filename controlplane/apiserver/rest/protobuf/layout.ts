/**
 * What the schema table says about types on the wire: field numbers and what stands behind them. Each type is resolved when first met.
 *
 * Shapes follow the types, not the wire types of the table's tags: upstream's own tags are wrong in places (DeleteOptions.propagationPolicy),
 * its code is not. Source: `k8s.io/code-generator/cmd/go-to-protobuf`.
 */
import { packagesOf } from '../../../../machinery/meta/schema-table.ts';
import { apiTable, type RawField } from '../../../../proto/api/schema.ts';

export const META = 'apimachinery/pkg/apis/meta/v1';

/** How a value is written. */
export type WireType =
  | { readonly kind: 'string' | 'bytes' | 'bool' | 'int32' | 'int64' }
  /** Messages with a JSON form of their own; `raw` holds JSON text. */
  | { readonly kind: 'quantity' | 'intOrString' | 'time' | 'microTime' | 'duration' | 'raw' }
  | { readonly kind: 'message'; readonly layout: () => Layout }
  /** A message that holds nothing but a list (`ExtraValue`). */
  | { readonly kind: 'wrappedList'; readonly items: WireType }
  | { readonly kind: 'list'; readonly items: WireType }
  | { readonly kind: 'map'; readonly values: WireType };

export interface WireField {
  readonly number: number;
  /** JSON name; '' when the message's fields belong to the outer object. */
  readonly name: string;
  readonly type: WireType;
  /** Whether absent differs from zero: what does not is always written, as upstream does, and zero when it is not there. */
  readonly nullable: boolean;
  /** JSON shows it even when it is zero. */
  readonly required: boolean;
}

/** A message's fields by ascending number. */
export interface Layout {
  readonly fields: readonly WireField[];
}

const SCALARS: Readonly<Record<string, WireType>> = {
  string: { kind: 'string' },
  bool: { kind: 'bool' },
  int32: { kind: 'int32' },
  int64: { kind: 'int64' },
  int: { kind: 'int64' },
  '[]byte': { kind: 'bytes' },
  'types.UID': { kind: 'string' },
  'resource.Quantity': { kind: 'quantity' },
  'intstr.IntOrString': { kind: 'intOrString' },
  'runtime.RawExtension': { kind: 'raw' },
  'metav1.Time': { kind: 'time' },
  'metav1.MicroTime': { kind: 'microTime' },
  'metav1.Duration': { kind: 'duration' },
  'metav1.FieldsV1': { kind: 'raw' },
};
/** Absent ones of these are not written, pointer or not. */
const NULLABLE: ReadonlySet<WireType['kind']> = new Set(['bytes', 'list', 'map', 'wrappedList']);

const layouts = new Map<string, Layout>();

/** Whether the table knows how `name` is written. */
export function hasLayout(packageKey: string, name: string): boolean {
  return apiTable[packageKey]?.[name]?.fields !== undefined;
}

/** The layout of a type, the same object each time. @throws Error when the table has no such type */
export function layoutOf(packageKey: string, name: string): Layout {
  const key = `${packageKey}.${name}`;
  let layout = layouts.get(key);
  if (layout === undefined) {
    const raw = apiTable[packageKey]?.[name]?.fields;
    if (raw === undefined) throw new Error(`No message ${name} in ${packageKey}`);
    const fields = raw.flatMap(field => wireField(packageKey, field));
    layout = { fields: fields.sort((a, b) => a.number - b.number) };
    layouts.set(key, layout);
  }
  return layout;
}

function wireField(packageKey: string, field: RawField): WireField[] {
  const number = Number(field.proto?.split(':')[0] ?? 0);
  if (number === 0) return [];
  const type = wireType(packageKey, field.type);
  return [
    {
      number,
      name: field.inline === true ? '' : field.name,
      type,
      nullable: field.type.startsWith('*') || NULLABLE.has(type.kind),
      required: field.optional !== true,
    },
  ];
}

function wireType(packageKey: string, reference: string): WireType {
  if (reference.startsWith('*')) return wireType(packageKey, reference.slice(1));
  const scalar = SCALARS[reference];
  if (scalar !== undefined) return scalar;
  if (reference.startsWith('[]')) return { kind: 'list', items: wireType(packageKey, reference.slice(2)) };
  if (reference.startsWith('map['))
    return { kind: 'map', values: wireType(packageKey, reference.slice(reference.indexOf(']') + 1)) };
  return namedType(packageKey, reference);
}

function namedType(packageKey: string, reference: string): WireType {
  const dot = reference.indexOf('.');
  const name = reference.slice(dot + 1);
  for (const candidate of dot < 0 ? [packageKey] : packagesOf(reference.slice(0, dot))) {
    const own = candidate === META ? SCALARS[`metav1.${name}`] : undefined;
    if (own !== undefined) return own;
    const raw = apiTable[candidate]?.[name];
    if (raw === undefined) continue;
    if (raw.alias === undefined && raw.fields !== undefined)
      return { kind: 'message', layout: () => layoutOf(candidate, name) };
    if (raw.alias === undefined) break;
    // A list under a name of its own is a message of its own; other names are what they stand for.
    if (raw.alias.startsWith('[]')) return { kind: 'wrappedList', items: wireType(candidate, raw.alias.slice(2)) };
    return wireType(candidate, raw.alias);
  }
  throw new Error(`No type ${reference} for ${packageKey} has a form on the wire`);
}
