import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('EndpointSlice', () => {
  const table = new KindTable('discovery.k8s.io/v1/EndpointSlice', {
    metadata: { name: 'x', namespace: 'default' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], zone: 'z' }],
    ports: [{ name: 'p', port: 80 }],
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ addressType: '' }, ['addressType: Required value']],
    [{ addressType: 'X' }, ['addressType: Unsupported value: "X": supported values: "FQDN", "IPv4", "IPv6"']],
    [{ addressType: 'IPv6' }, ['endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address']],
    [{ addressType: 'FQDN' }, []],
    [{ 'endpoints.0.addresses': [] }, ['endpoints[0].addresses: Required value: must contain at least 1 address']],
    [
      { 'endpoints.0.addresses': ['x'] },
      ['endpoints[0].addresses[0]: Invalid value: "x": must be a valid IPv4 address'],
    ],
    [
      { 'endpoints.0.hostname': 'A' },
      [
        "endpoints[0].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      { 'ports.0.name': 'A' },
      [
        "ports[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [{ 'ports.0.port': 0 }, ['ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive']],
    [
      { 'ports.0.protocol': 'X' },
      ['ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
    ],
    [
      { 'ports.0.appProtocol': 'a b' },
      [
        "ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      { 'endpoints.0.addresses': ['127.0.0.1'] },
      [
        'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ],
    ],
    [
      { 'endpoints.0.nodeName': 'A' },
      [
        "endpoints[0].nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'endpoints.0.hints': { forZones: [{ name: 'a b' }, { name: 'z' }, { name: 'z' }] } },
      [
        "endpoints[0].hints.forZones[0].name: Invalid value: \"a b\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        'endpoints[0].hints.forZones[2].name: Duplicate value: "z"',
      ],
    ],
    [{ 'endpoints.0.zone': 'a b' }, []],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { addressType: 'IPv6', 'endpoints.0.addresses': ['fd00::1'] },
      ['addressType: Invalid value: "IPv6": field is immutable'],
    ],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
