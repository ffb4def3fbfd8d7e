import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('DeviceClass', () => {
  const table = new KindTable('resource.k8s.io/v1/DeviceClass', { metadata: { name: 'x' }, spec: {} });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.selectors': [{ cel: { expression: '' } }] }, ['spec.selectors[0].cel.expression: Required value']],
    [{ 'spec.config': [{}] }, ['spec.config[0].opaque: Required value']],
    [
      { 'spec.extendedResourceName': 'cpu' },
      ['spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'],
    ],
    [{ 'spec.extendedResourceName': 'a.b/c' }, []],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
