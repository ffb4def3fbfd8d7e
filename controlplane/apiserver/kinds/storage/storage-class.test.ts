import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('StorageClass', () => {
  const table = new KindTable('storage.k8s.io/v1/StorageClass', { metadata: { name: 'x' }, provisioner: 'a.b/c' });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ provisioner: '' }, ['provisioner: Required value']],
    [
      { provisioner: '-' },
      [
        "provisioner: Invalid value: \"-\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      { reclaimPolicy: 'Recycle' },
      ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
    ],
    [
      { volumeBindingMode: 'x' },
      ['volumeBindingMode: Unsupported value: "x": supported values: "Immediate", "WaitForFirstConsumer"'],
    ],
    [{ parameters: { '': 'x' } }, ['parameters: Invalid value: "": field can not be empty.']],
    [
      { allowedTopologies: [{ matchLabelExpressions: [{ key: 'a', values: [] }] }] },
      ['allowedTopologies[0].matchLabelExpressions[0].values: Required value'],
    ],
    [
      { allowedTopologies: [{ matchLabelExpressions: [{ key: 'a', values: ['x', 'x'] }] }] },
      ['allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "x"'],
    ],
    [
      {
        allowedTopologies: [
          { matchLabelExpressions: [{ key: 'a', values: ['x'] }] },
          { matchLabelExpressions: [{ key: 'a', values: ['x'] }] },
        ],
      },
      ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { provisioner: 'a.b/d' }, ['provisioner: Forbidden: updates to provisioner are forbidden.']],
    [{}, { reclaimPolicy: 'Retain' }, ['reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.']],
    [{}, { parameters: { a: 'b' } }, ['parameters: Forbidden: updates to parameters are forbidden.']],
    [{}, { allowVolumeExpansion: true }, []],
    [
      {},
      { volumeBindingMode: 'WaitForFirstConsumer' },
      ['volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable'],
    ],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
