import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDuration, parseDurationMs } from './duration.ts';
import { percentOf, scaledValue } from './int-or-string.ts';
import { canonicalMicroTime, canonicalTime, formatTime, parseTime } from './time.ts';

describe('durations', () => {
  test.each([
    ['1h30m', '1h30m0s'],
    ['1.5s', '1.5s'],
    ['90s', '1m30s'],
    ['300ms', '300ms'],
    ['-1m', '-1m0s'],
    ['0', '0s'],
    ['10us', '10µs'],
    ['.5m', '30s'],
    ['72h', '72h0m0s'],
    ['1.000000001s', '1.000000001s'],
  ])('%s is %s', (text, want) => {
    expect(formatDuration(parseDuration(text) ?? NaN)).toBe(want);
  });

  test.each(['', '1', 's', '1 s', '1d', '+', '1.s.', '1e3s', '99999999999h'])('refuses %j', text => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('read back what they write', () => {
    fc.assert(fc.property(fc.maxSafeNat(), nanos => parseDuration(formatDuration(nanos)) === nanos));
  });

  test('parseDurationMs() gives milliseconds', () => {
    expect(parseDurationMs('1m1ms')).toBe(60001);
  });
});

describe('times', () => {
  test.each([
    ['2020-02-29T12:00:00Z', '2020-02-29T12:00:00Z', '2020-02-29T12:00:00.000000Z'],
    ['2020-01-01T00:00:00.1234567+02:00', '2019-12-31T22:00:00Z', '2019-12-31T22:00:00.123456Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['2020-12-31T23:59:59Z', '2020-12-31T23:59:59Z', '2020-12-31T23:59:59.000000Z'],
  ])('%s', (text, time, micro) => {
    expect([canonicalTime(text), canonicalMicroTime(text)]).toEqual([time, micro]);
  });

  test.each([
    '',
    'today',
    '2021-02-29T00:00:00Z',
    '2020-13-01T00:00:00Z',
    '2020-01-01T24:00:00Z',
    '2020-01-01',
    '2020-01-01T00:00:00',
  ])('refuses %j', text => {
    expect(canonicalTime(text)).toBeUndefined();
  });

  test('read back what they write', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62135596800000, max: 253402300799999 }), ms => {
        return parseTime(formatTime(ms)) === Math.floor(ms / 1000) * 1000;
      }),
    );
  });
});

test('scaledValue() rounds percentages as asked', () => {
  expect(scaledValue('25%', 3, 'up')).toBe(1);
  expect(scaledValue('25%', 3, 'down')).toBe(0);
  expect(scaledValue(2, 3, 'down')).toBe(2);
  expect(scaledValue('http', 3, 'down')).toBeUndefined();
  expect(percentOf('100%')).toBe(100);
});
