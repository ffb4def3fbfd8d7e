import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ValidatingAdmissionPolicy', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy', {
    metadata: { name: 'x' },
    spec: {
      matchConstraints: {
        resourceRules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      },
      validations: [{ expression: 'true' }],
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { spec: {} },
      [
        'spec.matchConstraints: Required value',
        'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
      ],
    ],
    [{ 'spec.matchConstraints.resourceRules': [] }, ['spec.matchConstraints.resourceRules: Required value']],
    [
      { 'spec.matchConstraints.resourceRules.0.resources': ['*', 'pods'] },
      [
        'spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
      ],
    ],
    [
      { 'spec.validations': [] },
      [
        'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
      ],
    ],
    [
      { 'spec.validations.0': { expression: ' ', reason: 'X', message: 'a\nb' } },
      [
        'spec.validations[0].expression: Required value: expression is not specified',
        'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
        'spec.validations[0].reason: Unsupported value: "X": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
      ],
    ],
    [
      { 'spec.validations.0.messageExpression': ' ' },
      ['spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified'],
    ],
    [{ 'spec.failurePolicy': 'X' }, ['spec.failurePolicy: Unsupported value: "X": supported values: "Fail", "Ignore"']],
    [{ 'spec.paramKind': {} }, ['spec.paramKind.apiVersion: Required value', 'spec.paramKind.kind: Required value']],
    [
      { 'spec.paramKind': { apiVersion: 'a/b/c', kind: 'K k' } },
      [
        'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        "spec.paramKind.kind: Invalid value: \"K k\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      {
        'spec.auditAnnotations': [
          { key: '', valueExpression: '' },
          { key: 'a', valueExpression: 'x' },
          { key: 'a', valueExpression: 'x' },
        ],
      },
      [
        'spec.auditAnnotations[0].key: Invalid value: "x/": name part must be non-empty',
        "spec.auditAnnotations[0].key: Invalid value: \"x/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
        'spec.auditAnnotations[2].key: Duplicate value: "a"',
      ],
    ],
    [
      {
        'spec.variables': [
          { name: '', expression: '' },
          { name: '1a', expression: 'true' },
        ],
      },
      [
        'spec.variables[0].name: Required value: name is not specified',
        'spec.variables[0].expression: Required value: expression is not specified',
        'spec.variables[1].name: Invalid value: "1a": name is not a valid CEL identifier',
      ],
    ],
    [
      { 'spec.matchConditions': [{ name: 'a b', expression: 'true' }] },
      [
        "spec.matchConditions[0].name: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
