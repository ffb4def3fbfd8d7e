/**
 * Text to JSON values: JSON quickly, and with its duplicate keys when somebody asks; YAML 1.1 as Go's reader takes it.
 *
 * - Deep nesting is refused before it can exhaust a stack; the caller limits the size.
 * - YAML is loaded when the first YAML comes. Aliases are counted, so that no alias bomb goes off.
 */
import { duplicateKeys, nestingDepth } from './json-scan.ts';

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
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CodecError(`invalid JSON: ${(error as Error).message}`, { cause: error });
  }
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
  if (flowDepth(text) > MAX_NESTING) throw new CodecError(`the document is nested deeper than ${MAX_NESTING} levels`);
  const options = { version: '1.1' as const, uniqueKeys: false, logLevel: 'error' as const, customTags: goTags };
  const documents = readYaml(() => parseAllDocuments(text, options));
  if (!Array.isArray(documents)) return [];
  const parsed: Parsed[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw new CodecError(`invalid YAML: ${error.message}`, { cause: error });
    const value: unknown = readYaml(() => document.toJS({ maxAliasCount: MAX_ALIASES }));
    if (value === null || value === undefined) continue;
    const duplicateFields: string[] = [];
    await collectDuplicates(document.contents, '', duplicateFields);
    parsed.push({ value, duplicateFields });
  }
  return parsed;
}

/** YAML text of a value, as kubectl prints it. */
export async function formatYaml(value: unknown): Promise<string> {
  const { Document, visit } = await import('yaml');
  const document = new Document(value, { version: '1.1', aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, node): void {
      // Blocks lose blanks at the edges of lines; such text goes into quotes.
      if (typeof node.value === 'string' && /\n/.test(node.value) && /^\s|[ \t](?:\n|$)/.test(node.value))
        node.type = 'QUOTE_DOUBLE';
    },
  });
  return document.toString({ lineWidth: 0, indentSeq: false });
}

interface YamlTag {
  readonly tag?: string;
  readonly format?: string;
}

/** Go's reader leaves dates as text and knows no base 60: `8080:80` is a port mapping, not a number. */
function goTags<T>(tags: T[]): T[] {
  return tags.filter(tag => {
    const { tag: name, format } = typeof tag === 'object' && tag !== null ? (tag as YamlTag) : {};
    return format !== 'TIME' && tag !== 'timestamp' && name !== 'tag:yaml.org,2002:timestamp';
  });
}

/** Indentation nests without brackets: what gets too deep for the stack is a fault of the text. */
function readYaml<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
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
