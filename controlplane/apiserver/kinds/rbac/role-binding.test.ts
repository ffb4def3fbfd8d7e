import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('RoleBinding', () => {
  const table = new KindTable('rbac.authorization.k8s.io/v1/RoleBinding', {
    metadata: { name: 'x', namespace: 'default' },
    roleRef: { kind: 'ClusterRole', name: 'view', apiGroup: 'rbac.authorization.k8s.io' },
    subjects: [
      { kind: 'User', name: 'u' },
      { kind: 'ServiceAccount', name: 's' },
    ],
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { roleRef: {} },
      ['roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole"', 'roleRef.name: Required value'],
    ],
    [{ 'roleRef.kind': 'X' }, ['roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole"']],
    [{ 'roleRef.name': 'a/b' }, ['roleRef.name: Invalid value: "a/b": may not contain \'/\'']],
    [
      { 'roleRef.apiGroup': 'x' },
      ['roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"'],
    ],
    [
      { 'subjects.0': {} },
      [
        'subjects[0].name: Required value',
        'subjects[0].kind: Unsupported value: "": supported values: "ServiceAccount", "User", "Group"',
      ],
    ],
    [
      { 'subjects.0': { kind: 'User', name: '', apiGroup: 'x' } },
      [
        'subjects[0].name: Required value',
        'subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
      ],
    ],
    [
      { 'subjects.1': { kind: 'ServiceAccount', name: 'A', apiGroup: 'x' } },
      [
        "subjects[1].name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'subjects[1].apiGroup: Unsupported value: "x": supported values: ""',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'roleRef.name': 'edit' },
      [
        'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"edit"}: cannot change roleRef',
      ],
    ],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
