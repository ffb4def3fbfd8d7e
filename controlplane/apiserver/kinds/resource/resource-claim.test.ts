import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ResourceClaim', () => {
  const table = new KindTable('resource.k8s.io/v1/ResourceClaim', {
    metadata: { name: 'x', namespace: 'default' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.devices.requests.0.name': '' },
      [
        "spec.devices.requests[0].name: Invalid value: \"\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { 'spec.devices.requests.0.name': 'A' },
      [
        "spec.devices.requests[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { 'spec.devices.requests.0': { name: 'r' } },
      ['spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required'],
    ],
    [
      { 'spec.devices.requests.0.exactly.deviceClassName': '' },
      ['spec.devices.requests[0].exactly.deviceClassName: Required value'],
    ],
    [
      { 'spec.devices.requests.0.exactly.count': -1 },
      ['spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero'],
    ],
    [
      { 'spec.devices.requests.0.exactly.allocationMode': 'X' },
      [
        'spec.devices.requests[0].exactly.allocationMode: Unsupported value: "X": supported values: "All", "ExactCount"',
      ],
    ],
    [
      { 'spec.devices.requests.0.exactly.allocationMode': 'All', 'spec.devices.requests.0.exactly.count': 1 },
      ["spec.devices.requests[0].exactly.count: Invalid value: 1: must not be specified when allocationMode is 'All'"],
    ],
    [
      { 'spec.devices.requests.0.exactly.selectors': [{}] },
      ['spec.devices.requests[0].exactly.selectors[0].cel: Required value'],
    ],
    [
      { 'spec.devices.requests.0.exactly.selectors': [{ cel: { expression: '' } }] },
      ['spec.devices.requests[0].exactly.selectors[0].cel.expression: Required value'],
    ],
    [
      {
        'spec.devices.requests.0': {
          name: 'r',
          firstAvailable: [
            { name: 's', deviceClassName: 'c' },
            { name: 's', deviceClassName: '' },
          ],
        },
      },
      [
        'spec.devices.requests[0].firstAvailable[1].deviceClassName: Required value',
        'spec.devices.requests[0].firstAvailable[1]: Duplicate value: "s"',
      ],
    ],
    [
      { 'spec.devices.requests.0.firstAvailable': [{ name: 's', deviceClassName: 'c' }] },
      [
        'spec.devices.requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
      ],
    ],
    [
      { 'spec.devices.constraints': [{ requests: ['z'], matchAttribute: 'x' }] },
      [
        'spec.devices.constraints[0].requests[0]: Invalid value: "z": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
        'spec.devices.constraints[0].matchAttribute: Invalid value: "x": a fully qualified name must be a domain and a name separated by a slash',
      ],
    ],
    [{ 'spec.devices.constraints': [{}] }, ['spec.devices.constraints[0].matchAttribute: Required value']],
    [
      { 'spec.devices.config': [{ requests: ['r', 'r'] }] },
      ['spec.devices.config[0].requests[1]: Duplicate value: "r"', 'spec.devices.config[0].opaque: Required value'],
    ],
    [
      { 'spec.devices.config': [{ opaque: { driver: 'A b', parameters: null } }] },
      [
        "spec.devices.config[0].opaque.driver: Invalid value: \"A b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'spec.devices.config[0].opaque.parameters: Required value',
      ],
    ],
    [
      { 'spec.devices.requests.0.exactly.tolerations': [{ operator: 'X' }] },
      [
        'spec.devices.requests[0].exactly.tolerations[0].operator: Unsupported value: "X": supported values: "Equal", "Exists"',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { 'spec.devices.requests.0.name': 'q' },
      [
        'spec: Invalid value: {"devices":{"requests":[{"exactly":{"allocationMode":"ExactCount","count":1,"deviceClassName":"c"},"name":"q"}]}}: field is immutable',
      ],
    ],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { status: { reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] } },
      ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'],
    ],
    [
      {},
      {
        status: {
          allocation: { devices: { results: [{ request: 'r', driver: 'a.b', pool: 'p', device: 'd' }] } },
          reservedFor: [
            { resource: 'pods', name: 'p', uid: 'u' },
            { resource: '', name: '', uid: 'u' },
          ],
        },
      },
      [
        'status.reservedFor[1].resource: Required value',
        'status.reservedFor[1].name: Required value',
        'status.reservedFor[1]: Duplicate value: "u"',
      ],
    ],
    [
      {},
      { status: { allocation: { devices: { results: [{ request: 'z', driver: 'A b', pool: '', device: 'D' }] } } } },
      [
        'status.allocation.devices.results[0].request: Invalid value: "z": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
        "status.allocation.devices.results[0].driver: Invalid value: \"A b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'status.allocation.devices.results[0].pool: Required value',
        "status.allocation.devices.results[0].device: Invalid value: \"D\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      {},
      { status: { devices: [{ driver: 'a.b', pool: 'p', device: 'd' }] } },
      ['status.devices[0]: Invalid value: "a.b/p/d": must be an allocated device in the claim'],
    ],
  ])('%j with a status of %j', (from, change, errors) => {
    expect(table.statusErrors(change, from)).toEqual(errors);
  });
});
