import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { CodecError, parseJson, parseJsonStrict, parseYaml, parseYamlDocuments } from './codec.ts';
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

  test('reads back what a YAML writer wrote', async () => {
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
        const written = stringify(value, { version: '1.1', blockQuote: false });
        return jsonEquals((await parseYaml(written)).value, JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('parseYaml() takes scalars as Go does', () => {
  test.each([
    ['yes', true],
    ['y', true],
    ['off', false],
    ['tRue', 'tRue'],
    ['~', null],
    ['', null],
    ['0777', 511],
    ['0o777', 511],
    ['0o8', '0o8'],
    ['08', 8],
    ['0x1F', 31],
    ['0x', '0x'],
    ['0b11', 3],
    ['0b2', '0b2'],
    ['1_000', 1000],
    ['_1', '_1'],
    ['+1', 1],
    ['-0', 0],
    ['.5', 0.5],
    ['1.', 1],
    ['1e3', 1000],
    ['e1', 'e1'],
    ['.', '.'],
    ['1e400', '1e400'],
    ['1:30', '1:30'],
    ['2001-12-14', '2001-12-14'],
    ['18446744073709551616', 18446744073709552000],
    ['9'.repeat(400), '9'.repeat(400)],
    ['!!str 1', '1'],
    ['!!int "3"', 3],
    ['!!float 1', 1],
    ['!!binary aGk=', 'hi'],
    ['!!set {a, b}', { a: null, b: null }],
    ['!foo bar', 'bar'],
    ['{<<: {a: 1}, b: 2}', { a: 1, b: 2 }],
    ['{1: a, 1.5: b, yes: c}', { '1': 'a', '1.5': 'b', true: 'c' }],
    ['"\\ud800"', '\ufffd'],
  ])('%s', async (text, want) => {
    expect((await parseYaml(`v: ${text}`)).value).toEqual({ v: want });
  });

  test.each([
    ['.inf', 'unsupported value'],
    ['.NaN', 'unsupported value'],
    ['9007199254740993', 'cannot be kept exactly'],
    ['!!int 1.0', 'cannot decode'],
    ['!!binary "@"', 'invalid base64'],
    ['{null: a}', 'key must be'],
    ['{[a]: b}', 'key must be'],
    ['&a [*a]', 'nested deeper'],
    ['*nope', 'invalid YAML'],
    ['"a" # \u0001', 'control characters'],
  ])('%s is refused', async (text, want) => {
    await expect(parseYaml(`v: ${text}`)).rejects.toThrow(want);
  });

  test('a document of YAML 1.2 is refused', async () => {
    await expect(parseYaml('%YAML 1.2\n---\na: yes')).rejects.toThrow('incompatible YAML document');
  });
});

test.each([
  ['1E400', 'cannot be kept exactly'],
  ['-1e400', 'cannot be kept exactly'],
  ['9007199254740993', 'cannot be kept exactly'],
  ['[1,9223372036854775807]', 'cannot be kept exactly'],
  ['9'.repeat(400), 'cannot be kept exactly'],
  ['01', 'invalid JSON'],
  ['\ufeff1', 'invalid JSON'],
])('parseJson() refuses %.20s', (text, want) => {
  expect(() => parseJson(text)).toThrow(want);
});

test.each([
  ['9223372036854775808', 9223372036854775808],
  ['100000000000000000000000', 1e23],
  ['0.30000000000000004', 0.30000000000000004],
  ['"9007199254740993"', '9007199254740993'],
  ['"\\"9007199254740993"', '"9007199254740993'],
  ['-0', -0],
  ['"\\ud800"', '\ufffd'],
  ['"\\ud83d\\ude00"', '😀'],
])('parseJson() keeps %s', (text, want) => {
  expect(parseJson(text)).toEqual(want);
});

test('parseJson() takes time in proportion to the text', () => {
  const bombs: ((n: number) => string)[] = [
    n => '9'.repeat(n),
    n => `[${'1234567890123456,'.repeat(n)}1]`,
    n => `"${'\\\\'.repeat(n)}"`,
    n => `"${'\\ud800'.repeat(n)}"`,
    n => `{${Array.from({ length: n }, (_, i) => `"${i}":1`).join(',')}}`,
  ];
  // CPU time, which does not grow when others use the machine too.
  const attempt = (text: string): number => {
    const start = process.cpuUsage();
    try {
      parseJsonStrict(text);
    } catch {
      // Refused is as good as read.
    }
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  for (const bomb of bombs) {
    const [small, large] = [bomb(5_000), bomb(40_000)];
    attempt(small);
    const best = (text: string): number => Math.min(...[1, 2, 3, 4].map(() => attempt(text)));
    // Eight times the text; a square would take 64 times as long.
    expect(best(large)).toBeLessThan(40 * Math.max(best(small), 4));
  }
});
