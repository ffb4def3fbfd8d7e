import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('MutatingAdmissionPolicyBinding', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/MutatingAdmissionPolicyBinding', {
    metadata: { name: 'x' },
    spec: { policyName: 'p' },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ spec: {} }, ['spec.policyName: Required value']],
    [{ 'spec.paramRef': { name: 'a' } }, ['spec.paramRef.parameterNotFoundAction: Required value']],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
