import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('Ingress', () => {
  const table = new KindTable('networking.k8s.io/v1/Ingress', {
    metadata: { name: 'x', namespace: 'default' },
    spec: {
      rules: [
        {
          host: 'a.b',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }],
          },
        },
      ],
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ spec: {} }, ['spec: Invalid value: []: either `defaultBackend` or `rules` must be specified']],
    [
      { 'spec.rules.0.host': '1.2.3.4' },
      ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'],
    ],
    [{ 'spec.rules.0.host': '*.a.b' }, []],
    [
      { 'spec.rules.0.host': 'a.*.b' },
      [
        "spec.rules[0].host: Invalid value: \"a.*.b\": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'spec.rules.0.host': 'A_' },
      [
        "spec.rules[0].host: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [{ 'spec.rules.0.http.paths': [] }, ['spec.rules[0].http.paths: Required value']],
    [
      { 'spec.rules.0.http.paths.0.pathType': undefined },
      ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
    ],
    [
      { 'spec.rules.0.http.paths.0.pathType': 'X' },
      [
        'spec.rules[0].http.paths[0].pathType: Unsupported value: "X": supported values: "Exact", "ImplementationSpecific", "Prefix"',
      ],
    ],
    [
      { 'spec.rules.0.http.paths.0.path': 'a//b' },
      [
        'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path',
        'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must not contain \'//\'',
      ],
    ],
    [
      { 'spec.rules.0.http.paths.0.path': '/a/../b/..' },
      [
        'spec.rules[0].http.paths[0].path: Invalid value: "/a/../b/..": must not contain \'/../\'',
        'spec.rules[0].http.paths[0].path: Invalid value: "/a/../b/..": cannot end with \'/..\'',
      ],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend': {} },
      ['spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required'],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend.resource': { kind: 'k', name: 'n' } },
      ['spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both resource and service backends'],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend': { resource: { kind: '', name: 'n/m', apiGroup: '' } } },
      [
        "spec.rules[0].http.paths[0].backend.resource.apiGroup: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'spec.rules[0].http.paths[0].backend.resource.kind: Required value',
        'spec.rules[0].http.paths[0].backend.resource.name: Invalid value: "n/m": may not contain \'/\'',
      ],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend.service.port': {} },
      ['spec.rules[0].http.paths[0].backend: Required value: port name or number is required'],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend.service.port.name': 'x' },
      ['spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number'],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend.service.name': '1' },
      [
        "spec.rules[0].http.paths[0].backend.service.name: Invalid value: \"1\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { 'spec.rules.0.http.paths.0.backend.service.port.number': 77777 },
      [
        'spec.rules[0].http.paths[0].backend.service.port.number: Invalid value: 77777: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      { 'spec.tls': [{ hosts: ['A'], secretName: 'B' }] },
      [
        "spec.tls[0].hosts[0]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        "spec.tls[0].secretName: Invalid value: \"B\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'spec.ingressClassName': 'A' },
      [
        "spec.ingressClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'metadata.annotations': { 'kubernetes.io/ingress.class': 'a' }, 'spec.ingressClassName': 'b' },
      [
        'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
      ],
    ],
    [
      { 'spec.defaultBackend': {} },
      ['spec.defaultBackend: Invalid value: "": resource or service backend is required'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
