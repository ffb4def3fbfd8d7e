import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('IngressClass', () => {
  const table = new KindTable('networking.k8s.io/v1/IngressClass', {
    metadata: { name: 'x' },
    spec: { controller: 'a.b/c' },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.controller': '' }, ['spec.controller: Required value']],
    [
      { 'spec.controller': 'x' },
      ['spec.controller: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      { 'spec.controller': 'A/x y' },
      [
        "spec.controller: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        "spec.controller: Invalid value: \"x y\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
      ],
    ],
    [{ 'spec.parameters': {} }, ['spec.parameters.kind: Required value', 'spec.parameters.name: Required value']],
    [
      { 'spec.parameters': { kind: 'a/b', name: 'x', apiGroup: 'A' } },
      [
        "spec.parameters.apiGroup: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'spec.parameters.kind: Invalid value: "a/b": may not contain \'/\'',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { 'spec.controller': 'a.b/d' }, ['spec.controller: Invalid value: "a.b/d": field is immutable']],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
