import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('CSINode', () => {
  const table = new KindTable('storage.k8s.io/v1/CSINode', {
    metadata: { name: 'x' },
    spec: { drivers: [{ name: 'd', nodeID: 'n', topologyKeys: ['a'] }] },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.drivers.0.name': '' },
      [
        'spec.drivers[0].name: Required value',
        "spec.drivers[0].name: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'spec.drivers.0.name': 'A b' },
      [
        "spec.drivers[0].name: Invalid value: \"A b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ 'spec.drivers.0.nodeID': '' }, ['spec.drivers[0].nodeID: Required value']],
    [
      { 'spec.drivers.0.topologyKeys': ['', 'a', 'a'] },
      [
        'spec.drivers[0]: Required value',
        'spec.drivers[0]: Invalid value: "": name part must be non-empty',
        "spec.drivers[0]: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'spec.drivers[0]: Duplicate value: "a"',
      ],
    ],
    [
      { 'spec.drivers.0.allocatable': { count: -1 } },
      ['spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.drivers.0.nodeID': 'z' },
      ['spec.drivers: Invalid value: {"name":"d","nodeID":"z","topologyKeys":["a"]}: field is immutable'],
    ],
    [{}, { 'spec.drivers': [] }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
