/**
 * Text to JSON values: JSON quickly, and with its duplicate keys when somebody asks; YAML 1.1 as Go's reader takes it.
 *
 * - Deep nesting is refused before it can exhaust a stack; the caller limits the size.
 * - YAML is loaded when the first YAML comes. Aliases are counted, so that no alias bomb goes off.
 */
import { duplicateKeys, inexactNumber, nestingDepth } from './json-scan.ts';
import { setOwn } from './json-value.ts';
import { goScalars } from './yaml-scalars.ts';

/** Levels of objects and lists in one document. */
export const MAX_NESTING = 500;

const MAX_ALIASES = 100;

/** The text is malformed. */
export class CodecError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CodecError';
  }
}

/** A value, and the paths of fields that stood in it twice (the last one counts). */
export interface Parsed {
  readonly value: unknown;
  readonly duplicateFields: readonly string[];
}

/** @throws CodecError */
export function parseJson(text: string): unknown {
  if (nestingDepth(text, MAX_NESTING) > MAX_NESTING)
    throw new CodecError(`the document is nested deeper than ${MAX_NESTING} levels`);
  const number = inexactNumber(text);
  if (number !== undefined)
    throw new CodecError(
      `invalid JSON: the number ${number} cannot be kept exactly: integers end at 2^53, floats at 1.8e308`,
    );
  try {
    const value = JSON.parse(text) as unknown;
    return LONE_SURROGATE.test(text) ? wellFormed(value) : value;
  } catch (error) {
    throw new CodecError(`invalid JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** An escape that may leave half a character; Go puts U+FFFD in its place. */
const LONE_SURROGATE = /\\u[dD][89a-fA-F]/;

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value).toString();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) setOwn(copy, Buffer.from(key).toString(), wellFormed(member));
  return copy;
}

/** Like `parseJson()`, and finds duplicate keys. @throws CodecError */
export function parseJsonStrict(text: string): Parsed {
  const value = parseJson(text);
  return { value, duplicateFields: duplicateKeys(text) };
}

/** One YAML document; duplicate keys are told. @throws CodecError */
export async function parseYaml(text: string): Promise<Parsed> {
  const documents = await parseYamlDocuments(text);
  if (documents.length > 1) throw new CodecError(`expected one YAML document, found ${documents.length}`);
  return documents[0] ?? { value: null, duplicateFields: [] };
}

/** All documents of a YAML stream but the empty ones. @throws CodecError */
export async function parseYamlDocuments(text: string): Promise<Parsed[]> {
  const { parseAllDocuments } = await import('yaml');
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) throw new CodecError('yaml: control characters are not allowed');
  if (flowDepth(text) > MAX_NESTING) throw new CodecError(`the document is nested deeper than ${MAX_NESTING} levels`);
  const options = {
    version: '1.1' as const,
    schema: 'failsafe',
    merge: true,
    customTags: goScalars,
    uniqueKeys: false,
    logLevel: 'error' as const,
  };
  const documents = readYaml(() => parseAllDocuments(text, options));
  if (!Array.isArray(documents)) return [];
  const parsed: Parsed[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw new CodecError(`invalid YAML: ${error.message}`, { cause: error });
    const { explicit, version } = document.directives?.yaml ?? {};
    if (explicit === true && version !== '1.1') throw new CodecError('yaml: found incompatible YAML document');
    const value: unknown = readYaml(() => jsonOf(document.toJS({ maxAliasCount: MAX_ALIASES, mapAsMap: true }), 0));
    if (value === null || value === undefined) continue;
    const duplicateFields: string[] = [];
    await collectDuplicates(document.contents, '', duplicateFields);
    parsed.push({ value: LONE_SURROGATE.test(text) ? wellFormed(value) : value, duplicateFields });
  }
  return parsed;
}

/** What YAML maps and lists are in JSON. Keys are text; a value that holds itself gets too deep. */
function jsonOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_NESTING) throw new CodecError(`the document is nested deeper than ${MAX_NESTING} levels`);
  if (Array.isArray(value)) return value.map(item => jsonOf(item, depth + 1));
  const object: Record<string, unknown> = {};
  const entries: Iterable<[unknown, unknown]> =
    value instanceof Map ? value : value instanceof Set ? [...value].map(key => [key, null]) : Object.entries(value);
  for (const [key, member] of entries) {
    if (key === null || typeof key === 'object')
      throw new CodecError('yaml: a key must be text, a number or a boolean');
    setOwn(object, String(key), jsonOf(member, depth + 1));
  }
  return object;
}

/** Indentation nests without brackets: what gets too deep for the stack is a fault of the text. */
function readYaml<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CodecError) throw error;
    const why = error instanceof RangeError ? 'the document is nested too deep' : (error as Error).message;
    throw new CodecError(`invalid YAML: ${why}`, { cause: error });
  }
}

async function collectDuplicates(root: unknown, at: string, found: string[]): Promise<void> {
  const { isMap, isScalar, isSeq } = await import('yaml');
  const visit = (node: unknown, path: string, depth: number): void => {
    if (depth > MAX_NESTING) throw new CodecError(`the document is nested deeper than ${MAX_NESTING} levels`);
    if (isSeq(node)) for (const [i, item] of node.items.entries()) visit(item, `${path}[${i}]`, depth + 1);
    if (!isMap(node)) return;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key);
      const own = path === '' ? name : `${path}.${name}`;
      if (seen.has(name) && name !== '<<') found.push(own);
      seen.add(name);
      visit(value, own, depth + 1);
    }
  };
  visit(root, at, 0);
}

/** Depth of brackets, or of indentation; either can nest. Text in quotes counts too, which errs on the safe side. */
function flowDepth(text: string): number {
  let depth = 0;
  let most = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) most = Math.max(most, ++depth);
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
  }
  const dashes = /^[ ]*(?:- ){500}/m.test(text) ? MAX_NESTING + 1 : 0;
  return Math.max(most, dashes);
}
