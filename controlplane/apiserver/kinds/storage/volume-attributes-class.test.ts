import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('VolumeAttributesClass', () => {
  const table = new KindTable('storage.k8s.io/v1/VolumeAttributesClass', {
    metadata: { name: 'x' },
    driverName: 'a.b',
    parameters: { a: 'b' },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ driverName: '' }, ['driverName: Required value']],
    [
      { driverName: 'A b' },
      [
        "driverName: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [{ parameters: {} }, ['parameters: Required value: must contain at least one key/value pair']],
    [{ parameters: { '': 'x' } }, ['parameters: Invalid value: "": field can not be empty.']],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { parameters: { a: 'c' } }, ['parameters: Forbidden: updates to parameters are forbidden.']],
    [{}, { driverName: 'c.d' }, ['driverName: Forbidden: updates to driverName are forbidden.']],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
