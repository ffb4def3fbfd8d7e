import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('MutatingAdmissionPolicy', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/MutatingAdmissionPolicy', {
    metadata: { name: 'x' },
    spec: {
      matchConstraints: {
        resourceRules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      },
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }],
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { spec: {} },
      [
        'spec.matchConstraints: Required value',
        'spec.mutations: Required value: mutations must contain at least one item',
        'spec.reinvocationPolicy: Required value',
      ],
    ],
    [{ 'spec.mutations': [] }, ['spec.mutations: Required value: mutations must contain at least one item']],
    [{ 'spec.mutations.0': {} }, ['spec.mutations[0].patchType: Required value']],
    [
      { 'spec.mutations.0': { patchType: 'X' } },
      ['spec.mutations[0].patchType: Unsupported value: "X": supported values: "ApplyConfiguration", "JSONPatch"'],
    ],
    [
      { 'spec.mutations.0': { patchType: 'JSONPatch' } },
      ['spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch'],
    ],
    [
      { 'spec.mutations.0': { patchType: 'ApplyConfiguration', applyConfiguration: { expression: '' } } },
      ['spec.mutations[0].applyConfiguration.expression: Required value: expression is not specified'],
    ],
    [
      { 'spec.reinvocationPolicy': 'X' },
      ['spec.reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", "Never"'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
