import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('PersistentVolumeClaim', () => {
  const table = new KindTable('v1/PersistentVolumeClaim', {
    metadata: { name: 'x', namespace: 'default' },
    spec: { resources: { requests: { storage: '1Gi' } }, accessModes: ['ReadWriteOnce'] },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { spec: {} },
      [
        'spec.accessModes: Required value: at least 1 access mode is required',
        'spec.resources[storage]: Required value',
      ],
    ],
    [
      { 'spec.accessModes': ['X'] },
      [
        'spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
    ],
    [
      { 'spec.resources.requests.storage': '0' },
      ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
    ],
    [
      { 'spec.resources.requests.storage': '-1' },
      ['spec.resources[storage]: Invalid value: "-1": must be greater than zero'],
    ],
    [
      { 'spec.storageClassName': 'A' },
      [
        "spec.storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ 'spec.storageClassName': '' }, []],
    [{ 'spec.volumeMode': 'X' }, ['spec.volumeMode: Unsupported value: "X": supported values: "Block", "Filesystem"']],
    [
      { 'spec.selector': { matchLabels: { a: '/' } } },
      [
        "spec.selector.matchLabels: Invalid value: \"/\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ],
    ],
    [{ 'spec.dataSource': { kind: 'X', name: 'x' } }, []],
    [{ 'spec.dataSource': { kind: '', name: '' } }, []],
    [{ 'spec.dataSource': { kind: 'PersistentVolumeClaim', name: 'x' } }, []],
    [
      { 'spec.accessModes': ['ReadWriteOncePod', 'ReadWriteOnce'] },
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    [
      { 'spec.dataSourceRef': { kind: 'X', name: 'x' } },
      [
        'spec.dataSource: Invalid value: "X": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
        'spec.dataSourceRef: Invalid value: "X": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
      ],
    ],
    [
      { 'spec.dataSourceRef': { apiGroup: 'a.b', kind: 'X', name: '' } },
      ['spec.dataSource.name: Required value', 'spec.dataSourceRef.name: Required value'],
    ],
    [
      { 'spec.volumeAttributesClassName': 'A' },
      [
        "spec.volumeAttributesClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.accessModes': ['ReadOnlyMany'] },
      [
        'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ],
    ],
    [
      {},
      { 'spec.resources.requests.storage': '2Gi' },
      [
        'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ],
    ],
    [
      { 'spec.volumeName': 'v' },
      { 'spec.resources.requests.storage': '512Mi' },
      [
        'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ],
    ],
    [{ 'spec.volumeName': 'v', status: { phase: 'Bound' } }, { 'spec.resources.requests.storage': '2Gi' }, []],
    [{}, { 'spec.volumeName': 'v' }, []],
    [{}, { 'spec.storageClassName': 's' }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
