import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CodecError, formatYaml, parseJson, parseJsonStrict, parseYaml, parseYamlDocuments } from './codec.ts';
import { jsonEquals } from './json-value.ts';

describe('parseJson()', () => {
  test('refuses bombs and nonsense', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow('nested deeper');
    expect(() => parseJson('{"a":')).toThrow('invalid JSON');
    expect(parseJson(`"${'['.repeat(1000)}"`)).toHaveLength(1000);
  });

  test('keeps prototype keys as data', () => {
    expect(Object.keys(parseJson('{"__proto__":1}') as object)).toEqual(['__proto__']);
  });
});

describe('parseJsonStrict()', () => {
  test.each([
    ['{"a":1,"b":{"c":1,"c":2},"a":3}', ['b.c', 'a']],
    ['{"a":[{"x":"a","x":"a,\\"x"},{"x":1}]}', ['a[0].x']],
    ['{"a":"{\\"a\\":1}","\\u0061":2}', ['a']],
    ['[[],{"k":[1,2,{"z":1,"z":1}]}]', ['[1].k[2].z']],
    ['{"a\\\\":1,"a":2}', []],
  ])('%s', (text, want) => {
    expect(parseJsonStrict(text).duplicateFields).toEqual(want);
  });

  test('finds none in what JSON.stringify() writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => parseJsonStrict(JSON.stringify(value)).duplicateFields.length === 0),
    );
  });
});

describe('parseYaml()', () => {
  test.each([
    [
      'a: yes\nb: 017\nc: "1"\nd: 2001-12-14\ne: 8080:80\nf: ~',
      { a: true, b: 15, c: '1', d: '2001-12-14', e: '8080:80', f: null },
    ],
    ['x: &x {a: 1}\nz:\n  <<: *x\n  b: 2', { x: { a: 1 }, z: { a: 1, b: 2 } }],
    ['8080: a', { '8080': 'a' }],
    ['{"json": [1]}', { json: [1] }],
  ])('%j', async (text, want) => {
    expect((await parseYaml(text)).value).toEqual(want);
  });

  test('tells duplicate keys', async () => {
    expect((await parseYaml('a:\n  b: 1\n  b: 2')).duplicateFields).toEqual(['a.b']);
  });

  test('refuses bombs and nonsense', async () => {
    const bomb = Array.from(
      { length: 12 },
      (_, i) =>
        `a${i}: &a${i} [${
          i === 0
            ? '1'
            : Array(9)
                .fill(`*a${i - 1}`)
                .join(',')
        }]`,
    ).join('\n');
    await expect(parseYaml(bomb)).rejects.toThrow('invalid YAML');
    await expect(parseYaml('['.repeat(5000))).rejects.toThrow('nested deeper');
    await expect(parseYaml('- '.repeat(5000))).rejects.toThrow('nested deeper');
    const stairs = (count: number): string => Array.from({ length: count }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
    await expect(parseYaml(stairs(600))).rejects.toThrow('nested deeper');
    await expect(parseYaml(stairs(2000))).rejects.toThrow('invalid YAML');
    await expect(parseYaml('a: [')).rejects.toThrow('invalid YAML');
  });

  test('answers any text with a value or a CodecError', async () => {
    const text = fc.string({
      unit: fc.constantFrom(
        'a',
        '-',
        ' ',
        ':',
        '\n',
        '[',
        ']',
        '{',
        '}',
        '&',
        '*',
        '!',
        '<',
        '|',
        '>',
        '"',
        "'",
        '#',
        ',',
        '?',
        '%',
        '1',
        '~',
      ),
    });
    await fc.assert(
      fc.asyncProperty(text, async source => {
        try {
          await parseYamlDocuments(source);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }),
    );
  });

  test('reads a stream and skips empty documents', async () => {
    expect((await parseYamlDocuments('---\n---\na: 1\n---\n# nothing\n---\nb: 2\n')).map(d => d.value)).toEqual([
      { a: 1 },
      { b: 2 },
    ]);
  });

  test('reads back what formatYaml() wrote', async () => {
    const text = fc.string({
      unit: fc.constantFrom(
        'a',
        '0',
        ':',
        ' ',
        '-',
        '#',
        '"',
        "'",
        '\n',
        'y',
        'e',
        's',
        '.',
        '\\',
        '~',
        '{',
        '[',
        '*',
        '&',
        '!',
        '%',
        '@',
        '`',
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text))), async value => {
        return jsonEquals((await parseYaml(await formatYaml(value))).value, JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
