/**
 * Configuration files of one known kind, YAML or JSON, read strictly: a field that does not exist, a field twice and a value of the wrong
 * type are problems, told with the field's path in words for whoever wrote the file.
 */
import { CodecError, parseYaml } from './codec.ts';
import { checkObject, DecodeError, type DecodeForm, type Wanted } from './decode.ts';
import { isJsonObject, type JsonValue } from './json-value.ts';
import { nearestWord } from './nearest-word.ts';
import { childSchema, type Schema } from './schema.ts';

/** What kind of document a file has to be. */
export interface DocumentKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly schema: Schema;
  /** `applied` (default) keeps nulls and zero values as they were written. */
  readonly form?: DecodeForm;
  /** What to do about a document of another version or kind; undefined if there is nothing to say. */
  readonly hint?: ((apiVersion: unknown, kind: unknown) => string | undefined) | undefined;
}

/** What was read; of no use if there are problems. */
export interface StrictlyRead {
  readonly value: JsonValue;
  /** A line each, with the path of the field. */
  readonly problems: readonly string[];
}

export async function readStrictDocument(
  text: string,
  { schema, form, hint, ...wanted }: DocumentKind,
): Promise<StrictlyRead> {
  let parsed;
  try {
    // JSON is YAML.
    parsed = await parseYaml(text);
  } catch (error) {
    if (error instanceof CodecError) return { value: null, problems: [error.message] };
    throw error;
  }
  const { apiVersion, kind } = isJsonObject(parsed.value) ? parsed.value : {};
  if (apiVersion !== wanted.apiVersion || kind !== wanted.kind) {
    const found = `found apiVersion ${JSON.stringify(apiVersion) ?? 'none'}, kind ${JSON.stringify(kind) ?? 'none'}`;
    const advice = hint?.(apiVersion, kind);
    const problem = `want apiVersion: ${wanted.apiVersion} and kind: ${wanted.kind}; ${found}`;
    return { value: null, problems: [advice === undefined ? problem : `${problem}; ${advice}`] };
  }
  const twice = parsed.duplicateFields.map(field => `${field}: the field stands there twice`);
  const { value, problems } = checkStrictly(schema, parsed.value, { form });
  return { value, problems: [...twice, ...problems] };
}

/** Checks a value that was read already. `at`: where it stands in its document. */
export function checkStrictly(
  schema: Schema,
  value: unknown,
  { at = '', form = 'applied' }: { at?: string; form?: DecodeForm | undefined } = {},
): StrictlyRead {
  try {
    const decoded = checkObject(schema, value, form);
    const problems = decoded.unknownFields.map(path => unknownField(schema, at, path));
    return { value: decoded.value as JsonValue, problems };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { value: null, problems: [wrongValue(error, at)] };
  }
}

/** What a setting holds; other kinds are text. */
const WANTED: Partial<Record<Wanted, string>> = {
  int32: 'a whole number',
  int64: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  duration: 'a time such as 30s or 5m',
  list: 'a list',
  map: 'a map',
  struct: 'a map',
};

function wrongValue({ path, wanted, message }: DecodeError, at: string): string {
  return `${within(at, path)}: ${wanted === undefined ? message : `wants ${WANTED[wanted] ?? 'text; put it in quotes'}`}`;
}

function unknownField(schema: Schema, at: string, path: string): string {
  const steps = path.split('.');
  const name = steps.pop() ?? '';
  const parent = steps.reduce<Schema>((outer, step) => {
    const field = childSchema(outer, step.replace(/\[\d+\]$/, ''));
    return field.kind === 'list' ? field.items : field;
  }, schema);
  const meant = parent.kind === 'struct' ? nearestWord(name, [...parent.fields.keys()]) : undefined;
  return `${within(at, path)}: unknown field${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

function within(at: string, path: string): string {
  return at === '' || path === '' ? at + path : `${at}.${path}`;
}
