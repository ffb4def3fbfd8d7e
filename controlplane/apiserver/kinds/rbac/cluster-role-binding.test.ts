import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ClusterRoleBinding', () => {
  const table = new KindTable('rbac.authorization.k8s.io/v1/ClusterRoleBinding', {
    metadata: { name: 'x' },
    roleRef: { kind: 'ClusterRole', name: 'view', apiGroup: 'rbac.authorization.k8s.io' },
    subjects: [{ kind: 'Group', name: 'g', apiGroup: 'rbac.authorization.k8s.io' }],
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'roleRef.kind': 'Role' }, ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"']],
    [{ 'subjects.0': { kind: 'ServiceAccount', name: 's' } }, ['subjects[0].namespace: Required value']],
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
