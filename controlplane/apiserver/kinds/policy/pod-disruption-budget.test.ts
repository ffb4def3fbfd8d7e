import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('PodDisruptionBudget', () => {
  const table = new KindTable('policy/v1/PodDisruptionBudget', {
    metadata: { name: 'x', namespace: 'default' },
    spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.maxUnavailable': 1 },
      [
        'spec: Invalid value: {"maxUnavailable":1,"minAvailable":1,"selector":{"matchLabels":{"a":"b"}}}: minAvailable and maxUnavailable cannot be both set',
      ],
    ],
    [{ 'spec.minAvailable': -1 }, ['spec.minAvailable: Invalid value: -1: must be greater than or equal to 0']],
    [{ 'spec.minAvailable': '101%' }, ['spec.minAvailable: Invalid value: 101%: must not be greater than 100%']],
    [
      { 'spec.minAvailable': 'x' },
      [
        "spec.minAvailable: Invalid value: x: a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ],
    ],
    [{ 'spec.selector': {} }, []],
    [
      { 'spec.selector.matchExpressions': [{ key: '', operator: 'In' }] },
      [
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'spec.selector.matchExpressions[0].key: Invalid value: "": name part must be non-empty',
        "spec.selector.matchExpressions[0].key: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      { 'spec.unhealthyPodEvictionPolicy': 'X' },
      ['spec.unhealthyPodEvictionPolicy: Unsupported value: "X": supported values: "AlwaysAllow", "IfHealthyBudget"'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([[{}, { 'spec.minAvailable': 2 }, []]])(
    '%j updated with %j',
    (from, change, errors) => {
      expect(table.updateErrors(change, from)).toEqual(errors);
    },
  );

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'status.disruptionsAllowed': -1 },
      ['status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      {},
      { 'status.currentHealthy': -1 },
      ['status.currentHealthy: Invalid value: -1: must be greater than or equal to 0'],
    ],
  ])('%j with a status of %j', (from, change, errors) => {
    expect(table.statusErrors(change, from)).toEqual(errors);
  });
});
