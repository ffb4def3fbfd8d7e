import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FieldPath } from './field-path.ts';
import { FieldSelector, parseFieldSelector } from './field-selector.ts';
import { LabelRequirement, type SelectorOperator } from './label-requirement.ts';
import { compileLabelSelector, LabelSelector, parseLabelSelector, validateLabelSelector } from './label-selector.ts';
import { StatusError } from './status-error.ts';

describe('parseLabelSelector()', () => {
  test.each([
    ['', '', {}, true],
    ['a=b', 'a=b', { a: 'b' }, true],
    ['a==b', 'a==b', { a: 'c' }, false],
    ['a != b', 'a!=b', {}, true],
    ['a in (x, y)', 'a in (x,y)', { a: 'y' }, true],
    ['a notin (y,x,y)', 'a notin (x,y)', { a: 'y' }, false],
    ['a', 'a', { a: '' }, true],
    ['!a', '!a', { b: '' }, true],
    ['a>3', 'a>3', { a: '10' }, true],
    ['a<3', 'a<3', { a: 'x' }, false],
    ['a=', 'a=', { a: '' }, true],
    ['a in ()', 'a in ()', { a: '' }, true],
    ['b=1,a=2', 'a=2,b=1', { a: '2', b: '1' }, true],
    ['a in (,)', 'a in ()', { a: '' }, true],
    ['in in (in)', 'in in (in)', { in: 'in' }, true],
    ['constructor', 'constructor', {}, false],
  ])('%j', (text, shown, labels, matches) => {
    if (shown === undefined) return expect(() => parseLabelSelector(text)).toThrow(StatusError);
    const selector = parseLabelSelector(text);
    expect(selector.toString()).toBe(shown);
    expect(selector.matches(labels as unknown as Record<string, string>)).toBe(matches);
  });

  test.each([
    ['a,,b', "found ',', expected: identifier after ','"],
    ['=b', "found '=', expected: !, identifier, or 'end of string'"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a in (b c)', "unable to parse requirement: found 'c', expected: ',' or ')'"],
    ['a>b', "for 'Gt', 'Lt' operators, the value must be an integer"],
    ['-a=b', 'unable to parse requirement: key: Invalid value: "-a": name part must consist of alphanumeric'],
  ])('refuses %j with the known text', (text, want) => {
    expect(() => parseLabelSelector(text)).toThrow(want);
  });

  const word = fc.stringMatching(/^[a-z]([a-z0-9]{0,5})$/);
  const requirement = fc.oneof(
    fc.record({
      key: word,
      operator: fc.constantFrom('in', 'notin'),
      values: fc.array(word, { minLength: 1, maxLength: 4 }),
    }),
    fc.record({ key: word, operator: fc.constantFrom('=', '==', '!='), values: fc.tuple(word) }),
    fc.record({ key: word, operator: fc.constantFrom('gt', 'lt'), values: fc.tuple(fc.nat().map(String)) }),
    fc.record({ key: word, operator: fc.constantFrom('!', 'exists'), values: fc.constant([]) }),
  ) as fc.Arbitrary<{ key: string; operator: SelectorOperator; values: string[] }>;

  test('reads back what toString() wrote', () => {
    fc.assert(
      fc.property(fc.array(requirement), fc.dictionary(word, word), (list, labels) => {
        const selector = new LabelSelector(list.map(r => new LabelRequirement(r.key, r.operator, r.values)));
        const back = parseLabelSelector(selector.toString());
        return back.toString() === selector.toString() && back.matches(labels) === selector.matches(labels);
      }),
    );
  });

  test('answers any text with a selector or a StatusError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-c=!(),<> in]*$/)), text => {
        try {
          return parseLabelSelector(text) instanceof LabelSelector;
        } catch (error) {
          return error instanceof StatusError && error.code === 400;
        }
      }),
    );
  });
});

describe('compileLabelSelector()', () => {
  test('none selects nothing, an empty one everything', () => {
    expect(compileLabelSelector(undefined).matches({})).toBe(false);
    expect(compileLabelSelector({}).matches({ a: 'b' })).toBe(true);
  });

  test('joins labels and expressions', () => {
    const selector = compileLabelSelector({
      matchLabels: { app: 'x' },
      matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['db'] }],
    });
    expect(selector.matches({ app: 'x' })).toBe(true);
    expect(selector.matches({ app: 'x', tier: 'db' })).toBe(false);
  });

  test('validateLabelSelector() names the field', () => {
    const path = FieldPath.of('spec', 'selector');
    const errors = validateLabelSelector(
      {
        matchExpressions: [
          { key: 'a', operator: 'In' },
          { key: 'a', operator: 'Like' },
        ],
      },
      path,
    );
    expect(errors.map(String)).toEqual([
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      'spec.selector.matchExpressions[1].operator: Invalid value: "Like": not a valid selector operator',
    ]);
  });
});

describe('parseFieldSelector()', () => {
  test('matches and prints', () => {
    const selector = parseFieldSelector('metadata.name=a,status.phase!=Running,x==y');
    expect(selector.toString()).toBe('metadata.name=a,status.phase!=Running,x=y');
    expect(selector.exactMatch('metadata.name')).toBe('a');
    const object: Record<string, string> = { 'metadata.name': 'a', x: 'y' };
    expect(selector.matches(field => object[field] ?? '')).toBe(true);
  });

  test('reads escapes back', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            field: fc.stringMatching(/^[a-z.]+$/),
            operator: fc.constantFrom('=' as const, '!=' as const),
            value: fc.string(),
          }),
        ),
        list => {
          const selector = new FieldSelector(list);
          expect(parseFieldSelector(selector.toString()).requirements).toEqual(list);
        },
      ),
    );
  });

  test.each(['a', 'a=b=c', 'a=\\x'])('refuses %j', text => {
    expect(() => parseFieldSelector(text)).toThrow(/^invalid/);
  });
});
