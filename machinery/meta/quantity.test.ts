import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalQuantity, parseQuantity, Quantity, tryParseQuantity } from './quantity.ts';

describe('parseQuantity()', () => {
  test.each([
    ['0', '0'],
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1500m', '1500m'],
    ['1.5Gi', '1536Mi'],
    ['1024Ki', '1Mi'],
    ['1023', '1023'],
    ['0.1Ki', '102400m'],
    ['1.1Ki', '1127'],
    ['12e6', '12e6'],
    ['12000e3', '12e6'],
    ['1E', '1E'],
    ['1E3', '1e3'],
    ['100E', '9223372036854775807'],
    ['0.1n', '1n'],
    ['-1.5', '-1500m'],
    ['+5k', '5k'],
    ['.5', '500m'],
    ['5.', '5'],
    ['1e-3', '1e-3'],
    ['123456789012', '123456789012'],
    ['1e99999999', '9223372036854775807'],
    ['1e-99999999', '1e-9'],
  ])('%s is %s', (text, want) => {
    expect(parseQuantity(text).toString()).toBe(want);
    expect(canonicalQuantity(text)).toBe(want);
  });

  test.each(['', '.', 'a', '1x', '1 ', '--1', '1ki', '1.2.3', 'Gi', '1mi', '0x1', '1e', 'NaN'])('refuses %j', text => {
    expect(tryParseQuantity(text)).toBeUndefined();
    expect(() => parseQuantity(text)).toThrow(/^quantities must/);
  });
});

const nanos = fc.bigInt(-(10n ** 24n), 10n ** 24n);
const format = fc.constantFrom('BinarySI' as const, 'DecimalSI' as const, 'DecimalExponent' as const);

test('toString() reads back as the same amount, binary ones rounded up to whole units', () => {
  fc.assert(
    fc.property(nanos, format, (n, f) => {
      const back = parseQuantity(new Quantity(n, f).toString());
      const small = n > -1024n * 10n ** 9n && n < 1024n * 10n ** 9n;
      if (f !== 'BinarySI' || small) return back.nanos === n;
      const gap = n < 0n ? n - back.nanos : back.nanos - n;
      return gap >= 0n && gap < 10n ** 9n && back.nanos % 10n ** 9n === 0n;
    }),
  );
});

test('toString() is canonical: reading and writing it again changes nothing', () => {
  fc.assert(
    fc.property(nanos, format, (n, f) => {
      const text = new Quantity(n, f).toString();
      // Bytes that no binary suffix fits are written plainly, and plain numbers are decimal.
      if (f === 'BinarySI' && !text.endsWith('i')) return true;
      return parseQuantity(text).toString() === text;
    }),
  );
});

test('add(), sub() and compare() are those of numbers', () => {
  fc.assert(
    fc.property(nanos, nanos, format, (a, b, f) => {
      const [x, y] = [new Quantity(a, f), new Quantity(b, f)];
      return (
        x.add(y).nanos === a + b && x.sub(y).add(y).equals(x) && Math.sign(x.compare(y)) === Math.sign(Number(a - b))
      );
    }),
  );
});

test('value() and milliValue() round up away from zero', () => {
  expect(parseQuantity('1001m').value()).toBe(2);
  expect(parseQuantity('-1001m').value()).toBe(-2);
  expect(parseQuantity('1u').milliValue()).toBe(1);
  expect(parseQuantity('1.5Gi').value()).toBe(1610612736);
  expect(parseQuantity('1.25').toNumber()).toBe(1.25);
});

test('any text parses quickly or not at all', () => {
  fc.assert(
    fc.property(
      fc.string(),
      text => tryParseQuantity(text) === undefined || tryParseQuantity(text) instanceof Quantity,
    ),
  );
});
