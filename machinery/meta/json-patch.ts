/**
 * JSON Patch (RFC 6902), strictly and atomically: either every operation holds or the document stays as it was.
 *
 * - A value that is left out counts as null, as upstream has it: Go's clients leave empty ones out.
 * - Keys such as `__proto__` and `constructor` are data.
 * - The result shares nothing with the document or the patch.
 */
import { deepCopy, getOwn, isJsonObject, jsonEquals, setOwn, type JsonObject, type JsonValue } from './json-value.ts';
import { goQuote } from './go-quote.ts';

/** One operation. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value?: JsonValue | undefined }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly from: string; readonly path: string };

/** What went wrong: the patch itself is no JSON Patch (400), or it does not fit the document (422). */
export class JsonPatchError extends Error {
  readonly kind: 'malformed' | 'failed';
  /** Index of the operation; -1 when the patch as a whole is at fault. */
  readonly operation: number;

  constructor(kind: 'malformed' | 'failed', operation: number, message: string) {
    super(message);
    this.name = 'JsonPatchError';
    this.kind = kind;
    this.operation = operation;
  }
}

/** Upstream's upper bound for operations in one patch. */
export const MAX_JSON_PATCH_OPERATIONS = 10_000;

/** Upper bound for the bytes that `copy` operations may add, so that a short patch cannot grow a document without end. */
const MAX_COPIED_BYTES = 3 * 1024 * 1024;

/**
 * Applies `patch` and returns the new document.
 *
 * @throws JsonPatchError
 */
export function applyJsonPatch(document: JsonValue, patch: readonly JsonPatchOperation[]): JsonValue {
  // The root stands under a key of its own, so that the empty pointer needs no special case.
  const holder: JsonObject = { root: deepCopy(document) };
  const budget = { bytes: MAX_COPIED_BYTES };
  for (const [index, operation] of patch.entries()) {
    try {
      applyOperation(holder, operation, budget);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      const where = `${operation.op} operation ${index} at ${goQuote(operation.path)}`;
      throw new JsonPatchError('failed', index, `${where}: ${error.message}`);
    }
  }
  return getOwn(holder, 'root') ?? null;
}

/**
 * Checks that `patch` is a list of well-formed operations.
 *
 * @throws JsonPatchError of kind malformed
 */
export function parseJsonPatch(patch: unknown): JsonPatchOperation[] {
  if (!Array.isArray(patch)) throw new JsonPatchError('malformed', -1, 'a JSON patch must be a list of operations');
  for (const [index, operation] of patch.entries()) {
    const problem = operationProblem(operation);
    if (problem !== '') throw new JsonPatchError('malformed', index, `operation ${index}: ${problem}`);
  }
  return patch as JsonPatchOperation[];
}

function operationProblem(operation: unknown): string {
  if (!isJsonObject(operation)) return 'must be an object';
  const op = getOwn(operation, 'op');
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
    case 'remove':
      break;
    case 'move':
    case 'copy': {
      const problem = pointerProblem('from', getOwn(operation, 'from'));
      if (problem !== '') return problem;
      break;
    }
    default:
      return `unknown operation ${JSON.stringify(op)}`;
  }
  return pointerProblem('path', getOwn(operation, 'path'));
}

function pointerProblem(field: string, pointer: unknown): string {
  if (typeof pointer !== 'string') return `needs a ${JSON.stringify(field)}`;
  if (pointer !== '' && !pointer.startsWith('/')) return `${goQuote(pointer)} is not a JSON pointer`;
  return /~(?![01])/.test(pointer) ? `${goQuote(pointer)} has an invalid escape` : '';
}

/** An operation does not fit the document. */
class Misfit extends Error {}

/** What a pointer names: the container, and the last step inside it. */
interface Place {
  readonly parent: JsonValue;
  readonly token: string;
}

function applyOperation(holder: JsonObject, operation: JsonPatchOperation, budget: { bytes: number }): void {
  switch (operation.op) {
    case 'add':
      return add(locate(holder, operation.path), deepCopy(operation.value ?? null));
    case 'replace': {
      const place = locate(holder, operation.path);
      get(place);
      return put(place, deepCopy(operation.value ?? null));
    }
    case 'test':
      if (jsonEquals(get(locate(holder, operation.path)), operation.value ?? null)) return;
      throw new Misfit('test failed');
    case 'remove':
      remove(locate(holder, operation.path));
      return;
    case 'copy': {
      const value = get(locate(holder, operation.from));
      budget.bytes -= sizeOf(value);
      if (budget.bytes < 0) {
        const size = MAX_COPIED_BYTES - budget.bytes;
        throw new Misfit(
          `Unable to complete the copy, the accumulated size increase of copy is ${size}, exceeding the limit ${MAX_COPIED_BYTES}`,
        );
      }
      return add(locate(holder, operation.path), deepCopy(value));
    }
    case 'move': {
      const from = locate(holder, operation.from);
      const value = get(from);
      if (operation.path === operation.from) return;
      if (operation.path.startsWith(`${operation.from}/`)) throw new Misfit('a value cannot move into itself');
      remove(from);
      return add(locate(holder, operation.path), value);
    }
  }
}

function locate(holder: JsonObject, pointer: string): Place {
  const tokens = pointer.split('/').map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  tokens[0] = 'root';
  const last = tokens.pop() ?? 'root';
  let parent: JsonValue = holder;
  for (const token of tokens) parent = get({ parent, token });
  return { parent, token: last };
}

function get({ parent, token }: Place): JsonValue {
  let value: JsonValue | undefined;
  if (Array.isArray(parent)) value = parent[arrayIndex(token)];
  else if (isJsonObject(parent)) value = getOwn(parent, token);
  if (value === undefined) throw new Misfit('there is no such value');
  return value;
}

function add(place: Place, value: JsonValue): void {
  const { parent, token } = place;
  if (!Array.isArray(parent)) return put(place, value);
  const index = token === '-' ? parent.length : arrayIndex(token);
  if (index < 0 || index > parent.length) throw new Misfit('the index is out of bounds');
  parent.splice(index, 0, value);
}

function put({ parent, token }: Place, value: JsonValue): void {
  if (Array.isArray(parent)) parent[arrayIndex(token)] = value;
  else if (isJsonObject(parent)) setOwn(parent, token, value);
  else throw new Misfit('the parent is neither an object nor a list');
}

function remove(place: Place): void {
  get(place);
  const { parent, token } = place;
  if (Array.isArray(parent)) parent.splice(arrayIndex(token), 1);
  else if (isJsonObject(parent)) delete parent[token];
}

/** The index that a token names, -1 for none: no sign, no leading zero. */
function arrayIndex(token: string): number {
  return /^(?:0|[1-9][0-9]{0,9})$/.test(token) ? Number(token) : -1;
}

/** About the bytes that `value` takes as JSON. */
function sizeOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 4;
  let size = 2;
  if (Array.isArray(value)) for (const item of value) size += sizeOf(item) + 1;
  else for (const key of Object.keys(value)) size += key.length + 4 + sizeOf(value[key] ?? null);
  return size;
}
