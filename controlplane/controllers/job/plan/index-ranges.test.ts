import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IndexRanges } from './index-ranges.ts';

describe('IndexRanges', () => {
  test.each([
    ['', 10, ''],
    ['1', 10, '1'],
    ['0-2,5,7,8', 10, '0-2,5,7,8'],
    ['0,1,2', 10, '0-2'],
    ['3-9', 5, '3,4'],
    ['7', 5, ''],
    ['x,2,-,4-', 10, '2'],
    ['5,1-3,2-4', 10, '1-5'],
  ])('parse(%j, %i) is %j', (text, limit, want) => {
    expect(IndexRanges.parse(text, limit).toString()).toBe(want);
  });

  test('behaves as a set does', () => {
    const indexes = fc.uniqueArray(fc.nat(40));
    fc.assert(
      fc.property(indexes, indexes, fc.nat(45), fc.nat(10), (a, b, limit, count) => {
        const [one, other] = [IndexRanges.of(a), IndexRanges.of(b)];
        const both = new Set([...a, ...b]);
        expect(IndexRanges.parse(one.toString(), 99)).toEqual(one);
        expect(one.size).toBe(a.length);
        expect(a.every(index => one.has(index)) && !one.has(41)).toBe(true);
        expect(one.union(other)).toEqual(IndexRanges.of(both));
        expect(one.countIn(other)).toBe(a.filter(index => b.includes(index)).length);
        const missing = Array.from({ length: limit }, (_, index) => index).filter(index => !a.includes(index));
        expect(one.firstMissing(count, limit)).toEqual(missing.slice(0, count));
      }),
      { numRuns: 50 },
    );
  });
});
