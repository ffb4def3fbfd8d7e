/**
 * What the schema table says about types on the wire: field numbers and what stands behind them. Each type is resolved when first met.
 */
import { apiTable, type RawField } from '../../../../proto/api/schema.ts';

const META = 'apimachinery/pkg/apis/meta/v1';

/** How a value is written. */
export type WireType =
  | { readonly kind: 'string' | 'bytes' | 'bool' | 'int' | 'double' | 'float' }
  /** Messages with a JSON form of their own. */
  | { readonly kind: 'quantity' | 'intOrString' | 'time' | 'microTime' | 'duration' | 'raw' }
  | { readonly kind: 'message'; readonly layout: () => Layout }
  /** A message that holds nothing but a list (`ExtraValue`). */
  | { readonly kind: 'wrappedList'; readonly items: WireType }
  | { readonly kind: 'list'; readonly items: WireType }
  | { readonly kind: 'map'; readonly values: WireType };

export interface WireField {
  /** JSON name; '' when the message's fields belong to the outer object. */
  readonly name: string;
  readonly type: WireType;
  /** A zero value is written by Go although nobody set it, and left out of JSON. */
  readonly dropsZero: boolean;
}

/** Fields by number. */
export type Layout = ReadonlyMap<number, WireField>;

const SCALARS: Readonly<Record<string, WireType>> = {
  string: { kind: 'string' },
  bool: { kind: 'bool' },
  int32: { kind: 'int' },
  int64: { kind: 'int' },
  int: { kind: 'int' },
  float64: { kind: 'double' },
  float32: { kind: 'float' },
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

const PACKAGES: Readonly<Record<string, string>> = {
  metav1: META,
  corev1: 'api/core/v1',
  apiv1: 'api/core/v1',
  batchv1: 'api/batch/v1',
  authnv1: 'api/authentication/v1',
  runtime: 'apimachinery/pkg/runtime',
};

/** Types resolved so far belong to one decoder. */
export class Layouts {
  readonly #layouts = new Map<string, Layout>();

  of(packageKey: string, name: string): Layout {
    const key = `${packageKey}.${name}`;
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      const fields = apiTable[packageKey]?.[name]?.fields ?? [];
      layout = new Map(fields.flatMap(field => this.#field(packageKey, field)));
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #field(packageKey: string, field: RawField): [number, WireField][] {
    const number = Number(field.proto?.split(':')[0] ?? 0);
    if (number === 0) return [];
    const pointer = field.type.startsWith('*');
    const name = field.inline === true ? '' : field.name;
    return [[number, { name, type: this.#type(packageKey, field.type), dropsZero: !pointer }]];
  }

  #type(packageKey: string, reference: string): WireType {
    if (reference.startsWith('*')) return this.#type(packageKey, reference.slice(1));
    const scalar = SCALARS[reference];
    if (scalar !== undefined) return scalar;
    if (reference.startsWith('[]')) return { kind: 'list', items: this.#type(packageKey, reference.slice(2)) };
    if (reference.startsWith('map['))
      return { kind: 'map', values: this.#type(packageKey, reference.slice(reference.indexOf(']') + 1)) };
    return this.#named(packageKey, reference);
  }

  #named(packageKey: string, reference: string): WireType {
    const dot = reference.indexOf('.');
    const name = reference.slice(dot + 1);
    for (const candidate of dot < 0 ? [packageKey, META] : packagesOf(reference.slice(0, dot))) {
      const own = candidate === META ? SCALARS[`metav1.${name}`] : undefined;
      if (own !== undefined) return own;
      const raw = apiTable[candidate]?.[name];
      if (raw === undefined) continue;
      if (raw.alias === undefined) return { kind: 'message', layout: () => this.of(candidate, name) };
      // A list under a name of its own is a message of its own; other names are what they stand for.
      if (raw.alias.startsWith('[]')) return { kind: 'wrappedList', items: this.#type(candidate, raw.alias.slice(2)) };
      return this.#type(candidate, raw.alias);
    }
    return { kind: 'string' };
  }
}

function packagesOf(qualifier: string): string[] {
  const known = PACKAGES[qualifier];
  return known === undefined ? ['api/core/v1', META] : [known];
}
