import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyPatch } from 'rfc6902';
import { applyJsonPatch, JsonPatchError, parseJsonPatch, type JsonPatchOperation } from './json-patch.ts';
import { deepCopy, jsonEquals, type JsonValue } from './json-value.ts';

const key = fc.constantFrom('a', 'b', 'c', '0', '1', 'x/y', 'm~n', '');
// No text: the oracle takes the characters of a text for list items.
const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null));
const value: fc.Arbitrary<JsonValue> = fc.letrec<{ node: JsonValue }>(tie => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node;
const pointer = fc
  .array(fc.oneof(key, fc.constantFrom('2', '-', '01')), { maxLength: 3 })
  .map(tokens => tokens.map(t => `/${t.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''));
const operation: fc.Arbitrary<JsonPatchOperation> = fc.oneof(
  fc.record({ op: fc.constantFrom('add' as const, 'replace' as const, 'test' as const), path: pointer, value }),
  fc.record({ op: fc.constant('remove' as const), path: pointer }),
  fc.record({ op: fc.constantFrom('move' as const, 'copy' as const), from: pointer, path: pointer }),
);

function attempt(document: JsonValue, patch: JsonPatchOperation[]): JsonValue | undefined {
  try {
    return applyJsonPatch(document, patch);
  } catch (error) {
    if (error instanceof JsonPatchError) return undefined;
    throw error;
  }
}

/** Edits `holder`; the oracle throws where a scalar has members. */
function oracle(holder: JsonValue, op: JsonPatchOperation): unknown {
  try {
    return applyPatch(holder, deepCopy([op]) as never[])[0];
  } catch (error) {
    return error;
  }
}

/**
 * The oracle resolves both ends of a move before it removes, and is loose about list indexes; such operations are left out
 * here. Moves and copies have a property of their own below.
 */
function strict(op: JsonPatchOperation): boolean {
  if (op.op === 'move' || (op.op === 'copy' && /\/\d+$/.test(op.path))) return false;
  const paths = op.op === 'copy' ? [op.path, op.from] : [op.path];
  return !paths.some(p => p === '' || /\/(0\d|-\/|-$)/.test(p));
}

describe('applyJsonPatch()', () => {
  test('agrees with rfc6902 on single operations', () => {
    fc.assert(
      fc.property(value, operation.filter(strict), (document, op) => {
        const mine = attempt(document, [op]);
        const holder = deepCopy(document);
        const error = oracle(holder, op);
        const listIndex = /\/[^/]*$/.exec(op.path)?.[0] ?? '';
        // The oracle takes any token for a list index; RFC 6902 wants digits.
        if (mine === undefined && error === null) return !/^\/(0|[1-9]\d*)$/.test(listIndex);
        return error === null ? mine !== undefined && jsonEquals(mine, holder) : mine === undefined;
      }),
      { numRuns: 2000 },
    );
  });

  test('a move is a remove and an add, a copy an add', () => {
    fc.assert(
      fc.property(value, pointer, pointer, (document, from, path) => {
        fc.pre(from !== path && !path.startsWith(`${from}/`));
        const moved = attempt(document, [{ op: 'move', from, path }]);
        const copied = attempt(document, [{ op: 'copy', from, path }]);
        // A copy to the front of a fresh list shows what stands at `from`.
        const seen = attempt([null, document], [{ op: 'copy', from: `/1${from}`, path: '/0' }]);
        if (seen === undefined) return moved === undefined && copied === undefined;
        const [taken = null] = seen as JsonValue[];
        const add = { op: 'add' as const, path, value: taken };
        return (
          jsonEquals(moved, attempt(document, [{ op: 'remove', path: from }, add])) &&
          jsonEquals(copied, attempt(document, [add]))
        );
      }),
    );
  });

  test('leaves the document alone, whatever happens', () => {
    fc.assert(
      fc.property(value, fc.array(operation, { maxLength: 5 }), (document, patch) => {
        const before = JSON.stringify(document);
        attempt(document, patch);
        return JSON.stringify(document) === before;
      }),
    );
  });

  test('treats prototype keys as data', () => {
    const document = JSON.parse('{"__proto__":{"x":1},"constructor":2}') as JsonValue;
    const patched = applyJsonPatch(document, [
      { op: 'replace', path: '/__proto__/x', value: 5 },
      { op: 'remove', path: '/constructor' },
      { op: 'add', path: '/prototype', value: 1 },
    ]);
    expect(JSON.stringify(patched)).toBe('{"__proto__":{"x":5},"prototype":1}');
    expect(() => applyJsonPatch({}, [{ op: 'test', path: '/constructor', value: 1 }])).toThrow('no such value');
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test.each([
    ['appends', [1], { op: 'add', path: '/-', value: 2 }, [1, 2]],
    ['inserts', [1, 3], { op: 'add', path: '/1', value: 2 }, [1, 2, 3]],
    ['replaces the root', [1], { op: 'replace', path: '', value: { a: 1 } }, { a: 1 }],
    ['moves', { a: 1 }, { op: 'move', from: '/a', path: '/b' }, { b: 1 }],
    ['unescapes once', { '~1': 1 }, { op: 'remove', path: '/~01' }, {}],
  ] as [string, JsonValue, JsonPatchOperation, JsonValue][])('%s', (_name, document, op, want) => {
    expect(applyJsonPatch(document, [op])).toEqual(want);
  });

  test('refuses copies that grow without end', () => {
    const copies = Array.from({ length: 40 }, () => ({ op: 'copy' as const, from: '', path: '/a' }));
    expect(() =>
      applyJsonPatch(
        { a: [1], b: 1 },
        copies.flatMap(c => [c, { ...c, path: '/c' }]),
      ),
    ).toThrow('exceeding the limit');
  });
});

test('a value that is left out counts as null', () => {
  const patch = parseJsonPatch([
    { op: 'replace', path: '/a' },
    { op: 'test', path: '/a' },
    { op: 'add', path: '/b' },
  ]);
  expect(applyJsonPatch({ a: { x: 'y' } }, patch)).toEqual({ a: null, b: null });
});

test.each([
  [{}, 'must be a list'],
  [[1], 'must be an object'],
  [[{ op: 'remove', path: 'a' }], 'not a JSON pointer'],
  [[{ op: 'remove', path: '/a~2' }], 'invalid escape'],
  [[{ op: 'move', path: '/a' }], 'needs a "from"'],
  [[{ op: 'jump', path: '/a' }], 'unknown operation'],
])('parseJsonPatch() refuses %j', (patch, want) => {
  expect(() => parseJsonPatch(patch)).toThrow(want);
});
