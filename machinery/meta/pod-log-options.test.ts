import { describe, expect, test } from '@jest/globals';
import { parsePodLogOptions } from './pod-log-options.ts';

const errorsOf = (query: string): string[] => parsePodLogOptions(new URLSearchParams(query)).errors.map(String);

describe('parsePodLogOptions()', () => {
  test.each([
    ['tailLines=-1', 'tailLines: Invalid value: -1: must be greater than or equal to 0'],
    ['limitBytes=0', 'limitBytes: Invalid value: 0: must be greater than 0'],
    ['sinceSeconds=0', 'sinceSeconds: Invalid value: 0: must be greater than 0'],
    ['stream=both', 'stream: Unsupported value: "both": supported values: "All", "Stderr", "Stdout"'],
  ])('refuses %s', (query, want) => {
    expect(errorsOf(query)).toEqual([want]);
  });

  test.each([
    ['sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 'at most one of `sinceTime` or `sinceSeconds`'],
    ['tailLines=1&stream=Stdout', '`tailLines` and specific `stream` are mutually exclusive'],
  ])('refuses %s together', (query, want) => {
    expect(errorsOf(query).join()).toContain(want);
  });

  test.each([
    ['tailLines=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['sinceTime=soon', 'parsing time "soon"'],
  ])('throws for %s', (query, want) => {
    expect(() => parsePodLogOptions(new URLSearchParams(query))).toThrow(want);
  });

  test('reads what kubectl sends', () => {
    const { options, errors } = parsePodLogOptions(
      new URLSearchParams('follow=true&previous=false&tailLines=5&sinceSeconds=4&timestamps'),
    );
    expect(errors).toEqual([]);
    expect(options).toEqual({
      follow: true,
      previous: false,
      timestamps: true,
      tailLines: 5,
      limitBytes: undefined,
      sinceSeconds: 4,
      sinceTimeMs: undefined,
      stream: 'All',
    });
  });
});
