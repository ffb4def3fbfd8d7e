import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('PriorityClass', () => {
  const table = new KindTable('scheduling.k8s.io/v1/PriorityClass', { metadata: { name: 'x' }, value: 1 });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ value: 2000000000 }, ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000']],
    [
      { 'metadata.name': 'system-x' },
      [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
      ],
    ],
    [
      { 'metadata.name': 'system-node-critical', value: 2 },
      [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of system-node-critical PriorityClass must be 2000001000",
      ],
    ],
    [
      { preemptionPolicy: 'X' },
      ['preemptionPolicy: Unsupported value: "X": supported values: "PreemptLowerPriority", "Never"'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { value: 2 }, ['value: Forbidden: may not be changed in an update.']],
    [{}, { preemptionPolicy: 'Never' }, ['preemptionPolicy: Invalid value: "Never": field is immutable']],
    [{}, { globalDefault: true }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
