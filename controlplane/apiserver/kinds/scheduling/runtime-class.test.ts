import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('RuntimeClass', () => {
  const table = new KindTable('node.k8s.io/v1/RuntimeClass', { metadata: { name: 'x' }, handler: 'h' });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { handler: '' },
      [
        "handler: Invalid value: \"\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { handler: 'A' },
      [
        "handler: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { overhead: { podFixed: { x: '1', cpu: '-1' } } },
      [
        'overhead.limits[x]: Invalid value: "x": must be a standard resource type or fully qualified',
        'overhead.limits[x]: Invalid value: "x": must be a standard resource for containers',
        'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      { scheduling: { nodeSelector: { 'a b': '' }, tolerations: [{ operator: 'X' }] } },
      [
        "scheduling.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'scheduling.tolerations[0].operator: Invalid value: "X": operator must be Exists when `key` is empty, which means "match all values and all keys"',
        'scheduling.tolerations[0].operator: Unsupported value: "X": supported values: "Equal", "Exists", "Lt", "Gt"',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([[{}, { handler: 'i' }, ['handler: Invalid value: "i": field is immutable']]])(
    '%j updated with %j',
    (from, change, errors) => {
      expect(table.updateErrors(change, from)).toEqual(errors);
    },
  );
});
