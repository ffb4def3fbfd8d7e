import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('CSIDriver', () => {
  const table = new KindTable('storage.k8s.io/v1/CSIDriver', { metadata: { name: 'x.y' }, spec: {} });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.volumeLifecycleModes': ['X'] },
      ['spec.volumeLifecycleModes: Unsupported value: "X": supported values: "Persistent", "Ephemeral"'],
    ],
    [{ 'metadata.name': 'A' }, []],
    [
      { 'spec.fsGroupPolicy': 'X' },
      ['spec.fsGroupPolicy: Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
    ],
    [
      { 'spec.tokenRequests': [{ audience: 'a', expirationSeconds: 1 }, { audience: 'a' }] },
      [
        'spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
      ],
    ],
    [
      { 'spec.nodeAllocatableUpdatePeriodSeconds': 5 },
      ['spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 5: must be greater than or equal to 10 seconds'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { 'spec.attachRequired': false }, ['spec.attachedRequired: Invalid value: false: field is immutable']],
    [{}, { 'spec.fsGroupPolicy': 'None' }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
