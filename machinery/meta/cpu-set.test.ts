import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { common, cpuSet, formatCpuSet, isWithin, parseCpuSet, sameSet, unionOf, without } from './cpu-set.ts';

describe('parseCpuSet()', () => {
  test.each([
    ['', []],
    ['0\n', [0]],
    ['0-3,7', [0, 1, 2, 3, 7]],
    ['7,0-1,1', [0, 1, 7]],
  ])('reads %j', (text, want) => {
    expect(parseCpuSet(text)).toEqual(want);
  });

  test.each(['a', '1-', '3-1', '1,,2', '-1', '1 2'])('refuses %j', text => {
    expect(() => parseCpuSet(text)).toThrow('is not a list of processors');
  });
});

const sets = fc.array(fc.nat(70)).map(cpuSet);

test('what is written is read again', () => {
  fc.assert(fc.property(sets, set => sameSet(parseCpuSet(formatCpuSet(set)), set)));
});

test('sets obey the algebra of sets', () => {
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      expect(unionOf(without(a, b), common(a, b))).toEqual(a);
      expect(common(without(a, b), b)).toEqual([]);
      expect(isWithin(a, unionOf(a, b))).toBe(true);
    }),
  );
});
