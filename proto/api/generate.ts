/**
 * Writes the TypeScript types of the Kubernetes API (`proto/api/<group>-<version>.ts`) from the tables in `table/`.
 *
 * Usage: `npx tsx proto/api/generate.ts [--check]`; `--check` writes nothing and fails if a file differs.
 *
 * What a reader of the types should know: a field is optional where the table says so or where it is a pointer. Of a kind
 * (a type with TypeMeta and ObjectMeta) `metadata` and `spec` are present, since the API server always fills them in; `status` is
 * optional. An alias with an enumeration is an open string, because servers must accept what a newer client reads.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface RawField {
  name: string;
  type: string;
  inline?: boolean;
  optional?: boolean;
}
type RawType = { fields?: RawField[]; alias?: string; enum?: string[] };
type Table = Record<string, Record<string, RawType>>;

const here = dirname(fileURLToPath(import.meta.url));
const table = Object.assign(
  {},
  ...['k8s-api-1.36.json', 'k8s-api-more.json', 'kubelet-config-1.36.json', 'scheduler-config-1.36.json'].map(
    f => JSON.parse(readFileSync(join(here, 'table', f), 'utf8')) as Table,
  ),
) as Table;

const META = 'apimachinery/pkg/apis/meta/v1';
/** What a package prefix in a type reference stands for, where it differs from package to package. */
const QUALIFIERS: Record<string, string> = {
  metav1: META,
  corev1: 'api/core/v1',
  apiv1: 'api/core/v1',
  authnv1: 'api/authentication/v1',
  componentbaseconfigv1alpha1: 'component-base/config/v1alpha1',
};
/** Packages in which `v1.` means meta/v1 and not core/v1. */
const V1_IS_META = new Set(['api/apidiscovery/v2', 'apiserver/pkg/apis/config/v1']);
const SCALARS: Record<string, string> = {
  string: 'string',
  bool: 'boolean',
  int: 'number',
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  float32: 'number',
  float64: 'number',
  'types.UID': 'string',
  'resource.Quantity': 'string',
  'time.Duration': 'number',
  'time.Time': 'string',
  'intstr.IntOrString': 'string | number',
  IntOrString: 'string | number',
  'runtime.RawExtension': 'unknown',
  RawExtension: 'unknown',
  any: 'unknown',
  'ast.IndexExpr': 'unknown',
  byte: 'string',
};
/** Types whose JSON form is not that of their Go fields. */
const META_FORMS: Record<string, string> = {
  Time: 'string',
  MicroTime: 'string',
  Duration: 'string',
  FieldsV1: 'Record<string, unknown>',
  Verbs: 'string[]',
  Timestamp: 'string',
  Patch: 'unknown',
};

/** File name (without ending) of a package: `api/core/v1` is `core-v1`, meta is `meta-v1`. */
function moduleOf(pkg: string): string {
  if (pkg === META) return 'meta-v1';
  const parts = pkg
    .split('/')
    .filter(p => !['api', 'apis', 'pkg', 'tools', 'kube-aggregator', 'apiextensions-apiserver'].includes(p));
  return parts.join('-');
}

const skipped = new Set(['apimachinery/pkg/runtime', 'apimachinery/pkg/util/intstr']);

function render(pkg: string): string {
  const types = table[pkg] ?? {};
  const imports = new Map<string, Set<string>>();
  const use = (otherPkg: string, name: string): string => {
    if (otherPkg === META && META_FORMS[name] !== undefined) return META_FORMS[name];
    if (otherPkg !== pkg) {
      const file = moduleOf(otherPkg);
      imports.set(file, (imports.get(file) ?? new Set()).add(name));
    }
    return name;
  };
  const ref = (t: string): string => {
    if (t.startsWith('*')) return ref(t.slice(1));
    if (t === '[]byte') return 'string';
    if (t.startsWith('[]')) {
      const inner = ref(t.slice(2));
      return inner.includes(' ') ? `(${inner})[]` : `${inner}[]`;
    }
    const map = /^map\[[\w.]+\](.*)$/.exec(t);
    if (map?.[1] !== undefined) return `Record<string, ${ref(map[1])}>`;
    if (SCALARS[t] !== undefined && (types[t] === undefined || /^[a-z]/.test(t))) return SCALARS[t];
    const dot = t.indexOf('.');
    if (dot < 0) return types[t] === undefined ? 'unknown' : use(pkg, t);
    const [q, name] = [t.slice(0, dot), t.slice(dot + 1)];
    const target =
      q === 'v1'
        ? V1_IS_META.has(pkg) || table['api/core/v1']?.[name] === undefined
          ? META
          : 'api/core/v1'
        : QUALIFIERS[q];
    if (target === undefined || table[target]?.[name] === undefined) return 'unknown';
    return use(target, name);
  };
  let body = '';
  for (const name of Object.keys(types).sort()) {
    const type = types[name] as RawType;
    if (pkg === META && META_FORMS[name] !== undefined) continue;
    if (name.includes('.') || /^[a-z]/.test(name) || type.alias?.endsWith(`.${name}`) === true) continue; // another package's
    if (
      /Interface$|Accessor$|Reader$/.test(name) ||
      (pkg === META && ['Object', 'Common', 'Type', 'InternalEvent'].includes(name))
    )
      continue;
    if (type.alias !== undefined) {
      const base = ref(type.alias);
      const values = type.enum?.map(v => `'${v}'`).join(' | ');
      body += `export type ${name} = ${values !== undefined && base === 'string' ? `${values} | (string & {})` : base};\n\n`;
      continue;
    }
    const fields = type.fields ?? [];
    const anonymous = fields.filter(f => f.name === '' && /^JSON/.test(name));
    if (anonymous.length > 0) {
      // These marshal themselves: exactly one of their fields is the value.
      const union = [...new Set(anonymous.map(f => (f.type === '[]byte' ? 'unknown' : ref(f.type))))].join(' | ');
      body += `export type ${name} = ${union};\n\n`;
      continue;
    }
    const isKind = fields.some(f => f.inline === true && f.type.endsWith('TypeMeta'));
    const bases: string[] = [];
    let own = '';
    for (const f of fields) {
      if (f.inline === true || f.name === '') {
        if (f.type.endsWith('TypeMeta')) own += '  apiVersion?: string | undefined;\n  kind?: string | undefined;\n';
        else bases.push(ref(f.type));
        continue;
      }
      const t = ref(f.type);
      const present = isKind && (f.name === 'metadata' || (f.name === 'spec' && !f.type.startsWith('*')));
      const optional = !present && (f.optional === true || f.type.startsWith('*') || (isKind && f.name === 'status'));
      const key = /^[A-Za-z_$][\w$]*$/.test(f.name) ? f.name : `'${f.name}'`;
      own += `  ${key}${optional ? '?' : ''}: ${t}${optional && t !== 'unknown' ? ' | undefined' : ''};\n`;
    }
    const heritage = bases.filter(b => b !== 'unknown' && b !== name);
    if (own === '' && heritage.length === 1) {
      body += `export type ${name} = ${heritage[0]};\n\n`;
      continue;
    }
    body +=
      own === '' && heritage.length === 0
        ? `export type ${name} = Record<string, never>;\n\n`
        : `export interface ${name}${heritage.length > 0 ? ` extends ${heritage.join(', ')}` : ''} {\n${own}}\n\n`;
  }
  const head = [...imports]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, names]) => `import type { ${[...names].sort().join(', ')} } from './${file}.ts';\n`)
    .join('');
  return `// Generated by proto/api/generate.ts from the tables in proto/api/table/ (${pkg}). Do not edit.\n${head}\n${body.trimEnd()}\n`;
}

const check = process.argv.includes('--check');
let differing = 0;
for (const pkg of Object.keys(table)) {
  if (skipped.has(pkg)) continue;
  const file = join(here, `${moduleOf(pkg)}.ts`);
  const text = render(pkg);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  differing++;
  if (check) console.error(`${file} differs from its table; run make proto`);
  else writeFileSync(file, text);
}
if (check && differing > 0) process.exit(1);
