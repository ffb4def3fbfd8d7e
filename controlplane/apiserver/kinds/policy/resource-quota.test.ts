import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ResourceQuota', () => {
  const table = new KindTable('v1/ResourceQuota', {
    metadata: { name: 'x', namespace: 'default' },
    spec: { hard: { cpu: '1', pods: '2' } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.hard': { foo: '1' } },
      [
        'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
      ],
    ],
    [{ 'spec.hard': { pods: '1.5' } }, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']],
    [{ 'spec.hard': { cpu: '-1' } }, ['spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0']],
    [{ 'spec.hard': { 'count/x.y': '1' } }, []],
    [
      { 'spec.hard': { 'a b/c': '1' } },
      [
        "spec.hard[a b/c]: Invalid value: \"a b/c\": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ 'spec.scopes': ['X'] }, ['spec.scopes: Invalid value: ["X"]: unsupported scope']],
    [
      { 'spec.scopes': ['BestEffort'] },
      ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
    ],
    [
      { 'spec.scopes': ['Terminating', 'NotTerminating'] },
      ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
    ],
    [
      { 'spec.scopes': ['Terminating'], 'spec.hard': { services: '1' } },
      ['spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource'],
    ],
    [
      { 'spec.scopeSelector': { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } },
      [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      ],
    ],
    [
      { 'spec.scopeSelector': { matchExpressions: [{ scopeName: 'X', operator: 'Y' }] } },
      [
        'spec.scopeSelector.matchExpressions.scopeName: Invalid value: "X": unsupported scope',
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "Y": not a valid selector operator',
      ],
    ],
    [
      { 'spec.scopeSelector': { matchExpressions: [{ scopeName: 'Terminating', operator: 'In', values: ['a'] }] } },
      [
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be \'Exist\' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity',
      ],
    ],
    [
      {
        'spec.scopeSelector': { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'Exists', values: ['a'] }] },
      },
      [
        "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { 'spec.scopes': ['Terminating'] }, ['spec.scopes: Invalid value: ["Terminating"]: field is immutable']],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'status.hard': { foo: '1' } },
      [
        'status.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'status.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
      ],
    ],
  ])('%j with a status of %j', (from, change, errors) => {
    expect(table.statusErrors(change, from)).toEqual(errors);
  });
});
