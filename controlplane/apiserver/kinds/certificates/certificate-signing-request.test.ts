import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('CertificateSigningRequest', () => {
  const table = new KindTable('certificates.k8s.io/v1/CertificateSigningRequest', {
    metadata: { name: 'x' },
    spec: {
      request:
        'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHTE1EOENBUUF3RERFS01BZ0dBMVVFQXd3QmVEQXFNQVVHQXl0bGNBTWhBS1lTQmRoa0FaZzZpQnczbkRsawpjbzNYMkZqb1BNS3UvRUNmY2tuVWRmMUdvQUF3QlFZREsyVndBMEVBWENxbVNrS3lNQzh4NmJxcXBOMW1BYWJMCjY2Um1tejJNemNSRkxZNWNZbmx0TkZjV2d6S0VncGMza08yajRCam1wYitlVlQvRUlsT2Z4RmxkUDFmQkJnPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==',
      signerName: 'a.b/c',
      usages: ['client auth'],
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.signerName': '' }, ['spec.signerName: Required value']],
    [
      { 'spec.signerName': 'x' },
      [
        'spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
      ],
    ],
    [
      { 'spec.signerName': 'x/y' },
      ['spec.signerName: Invalid value: "x": should be a domain with at least two segments separated by dots'],
    ],
    [
      { 'spec.signerName': 'x.A/y z' },
      [
        "spec.signerName: Invalid value: \"x.A\": validating label \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        "spec.signerName: Invalid value: \"y z\": validating label \"y z\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'spec.signerName': 'kubernetes.io/legacy-unknown' },
      [
        'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
      ],
    ],
    [{ 'spec.usages': [] }, ['spec.usages: Required value: usages must be provided']],
    [
      { 'spec.usages': ['x'] },
      [
        'spec.usages[0]: Unsupported value: "x": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
      ],
    ],
    [{ 'spec.usages': ['client auth', 'client auth'] }, ['spec.usages[1]: Duplicate value: "client auth"']],
    [{ 'spec.request': 'eA==' }, ['spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST']],
    [
      { 'spec.expirationSeconds': 599 },
      ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([[{}, { 'spec.signerName': 'c.d/e' }, []]])(
    '%j updated with %j',
    (from, change, errors) => {
      expect(table.updateErrors(change, from)).toEqual(errors);
    },
  );

  test.each<[Change, Change, string[]]>([
    [
      {},
      { status: { certificate: 'eA==' } },
      ['status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'],
    ],
    [
      {},
      {
        status: {
          conditions: [
            { type: 'Failed', status: 'False' },
            { type: '', status: '' },
          ],
        },
      },
      [
        'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
        'status.conditions[1].type: Required value',
        'status.conditions[1].status: Required value',
      ],
    ],
    [
      {},
      { status: { conditions: [{ type: 'Approved', status: 'True' }] } },
      ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
    ],
    [
      { status: { conditions: [{ type: 'Approved', status: 'True' }], certificate: 'eA==' } },
      { status: { certificate: 'eQ==' } },
      [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
        'status.certificate: Forbidden: updates may not modify existing certificate content',
      ],
    ],
    [
      { status: { conditions: [{ type: 'Failed', status: 'True' }] } },
      {
        'status.conditions': [
          { type: 'Failed', status: 'True', reason: 'x' },
          { type: 'Failed', status: 'True' },
        ],
      },
      ['status.conditions[1].type: Duplicate value: "Failed"'],
    ],
  ])('%j with a status of %j', (from, change, errors) => {
    expect(table.statusErrors(change, from)).toEqual(errors);
  });
});
