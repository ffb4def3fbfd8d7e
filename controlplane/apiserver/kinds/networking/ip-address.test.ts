import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('IPAddress', () => {
  const table = new KindTable('networking.k8s.io/v1/IPAddress', {
    metadata: { name: '10.0.0.1' },
    spec: { parentRef: { group: '', resource: 'services', namespace: 'default', name: 's' } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'metadata.name': '10.0.0.01' }, []],
    [{ 'metadata.name': '2001:DB8::1' }, []],
    [{ spec: {} }, ['spec.parentRef: Required value']],
    [{ 'spec.parentRef': {} }, ['spec.parentRef.resource: Required value', 'spec.parentRef.name: Required value']],
    [{ 'spec.parentRef.name': 'a/b' }, ['spec.parentRef.name: Invalid value: "a/b": may not contain \'/\'']],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.parentRef.name': 't' },
      [
        'spec.parentRef: Invalid value: {"group":"","name":"t","namespace":"default","resource":"services"}: field is immutable',
      ],
    ],
    [{}, { 'metadata.labels': { a: 'b' } }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
