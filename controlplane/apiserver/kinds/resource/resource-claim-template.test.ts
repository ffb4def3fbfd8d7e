import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ResourceClaimTemplate', () => {
  const table = new KindTable('resource.k8s.io/v1/ResourceClaimTemplate', {
    metadata: { name: 'x', namespace: 'default' },
    spec: { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.spec.devices.requests.0.name': '' },
      [
        "spec.spec.devices.requests[0].name: Invalid value: \"\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { 'spec.metadata': { labels: { 'a b': 'c' } } },
      [
        "spec.metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.spec.devices.requests.0.name': 'q' },
      [
        'spec: Invalid value: {"spec":{"devices":{"requests":[{"exactly":{"allocationMode":"ExactCount","count":1,"deviceClassName":"c"},"name":"q"}]}}}: field is immutable',
      ],
    ],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
