import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ValidatingAdmissionPolicyBinding', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding', {
    metadata: { name: 'x' },
    spec: { policyName: 'p', validationActions: ['Deny'] },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { spec: {} },
      [
        'spec.policyName: Required value',
        'spec.validationActions: Required value: at least one validation action is required',
      ],
    ],
    [
      { 'spec.policyName': 'A' },
      [
        "spec.policyName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'spec.validationActions': [] },
      ['spec.validationActions: Required value: at least one validation action is required'],
    ],
    [
      { 'spec.validationActions': ['Deny', 'Warn'] },
      [
        'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ],
    ],
    [
      { 'spec.validationActions': ['X', 'Audit', 'Audit'] },
      [
        'spec.validationActions[0]: Unsupported value: "X": supported values: "Audit", "Deny", "Warn"',
        'spec.validationActions[2]: Duplicate value: "Audit"',
      ],
    ],
    [
      { 'spec.paramRef': {} },
      [
        'spec.paramRef: Required value: one of name or selector must be specified',
        'spec.paramRef.parameterNotFoundAction: Required value',
      ],
    ],
    [
      { 'spec.paramRef': { name: 'a', selector: {}, parameterNotFoundAction: 'X' } },
      [
        'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.parameterNotFoundAction: Unsupported value: "X": supported values: "Deny", "Allow"',
      ],
    ],
    [
      { 'spec.matchResources': { namespaceSelector: { matchLabels: { 'a b': 'c' } } } },
      [
        "spec.matchResouces.namespaceSelector.matchLabels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
