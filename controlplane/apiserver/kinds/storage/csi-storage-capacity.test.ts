import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('CSIStorageCapacity', () => {
  const table = new KindTable('storage.k8s.io/v1/CSIStorageCapacity', {
    metadata: { name: 'x', namespace: 'default' },
    storageClassName: 'fast',
    nodeTopology: { matchLabels: { a: 'b' } },
    capacity: '1Gi',
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { storageClassName: '' },
      [
        "storageClassName: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { storageClassName: 'A' },
      [
        "storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ capacity: '-1' }, ['capacity: Invalid value: "-1": must be greater than or equal to 0']],
    [{ maximumVolumeSize: '-1' }, ['maximumVolumeSize: Invalid value: "-1": must be greater than or equal to 0']],
    [
      { 'nodeTopology.matchLabels': { 'a b': 'c' } },
      [
        "nodeTopology.matchLabels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { storageClassName: 'slow' }, ['storageClassName: Invalid value: "slow": field is immutable']],
    [
      {},
      { 'nodeTopology.matchLabels.a': 'c' },
      ['nodeTopology: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable'],
    ],
    [{}, { capacity: '2Gi' }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
