import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ValidatingWebhookConfiguration', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration', {
    metadata: { name: 'x' },
    webhooks: [
      {
        name: 'a.b.c',
        clientConfig: { url: 'https://x' },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      },
    ],
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'webhooks.0.name': '' }, ['webhooks[0].name: Required value']],
    [
      { 'webhooks.0.name': 'x' },
      ['webhooks[0].name: Invalid value: "x": should be a domain with at least three segments separated by dots'],
    ],
    [
      { 'webhooks.0.name': 'A' },
      [
        "webhooks[0].name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'webhooks.0.clientConfig': {} },
      ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
    ],
    [
      { 'webhooks.0.clientConfig.url': 'http://u:p@x?q#f' },
      [
        'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
        'webhooks[0].clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "q": query parameters are not permitted in the URL',
      ],
    ],
    [
      { 'webhooks.0.clientConfig.url': 'https://' },
      ['webhooks[0].clientConfig.url: Invalid value: "": host must be provided; desired format: https://host[/path]'],
    ],
    [
      { 'webhooks.0.clientConfig': { service: {} } },
      [
        'webhooks[0].clientConfig.service.name: Required value: service name is required',
        'webhooks[0].clientConfig.service.namespace: Required value: service namespace is required',
      ],
    ],
    [
      { 'webhooks.0.clientConfig': { service: { name: 'a', namespace: 'b', path: 'x//y', port: 0 } } },
      [
        'webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
        'webhooks[0].clientConfig.service.path: Invalid value: "x//y": must start with a \'/\'',
        'webhooks[0].clientConfig.service.path: Invalid value: "x//y": segment[0] may not be empty',
        'webhooks[0].clientConfig.service.path: Invalid value: "x//y": segment[1] may not be empty',
      ],
    ],
    [
      { 'webhooks.0.clientConfig': { service: { name: 'a', namespace: 'b', path: '/A/' } } },
      [
        "webhooks[0].clientConfig.service.path: Invalid value: \"/A/\": segment[0]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      { 'webhooks.0.sideEffects': undefined },
      ['webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun'],
    ],
    [
      { 'webhooks.0.sideEffects': 'Some' },
      ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
    ],
    [
      { 'webhooks.0.admissionReviewVersions': [] },
      ['webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1'],
    ],
    [
      { 'webhooks.0.admissionReviewVersions': ['v2', 'v2', 'A'] },
      [
        'webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
        "webhooks[0].admissionReviewVersions[2]: Invalid value: \"A\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        'webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2","A"]: must include at least one of v1, v1beta1',
      ],
    ],
    [
      { 'webhooks.0.timeoutSeconds': 31 },
      ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
    ],
    [
      { 'webhooks.0.failurePolicy': 'X' },
      ['webhooks[0].failurePolicy: Unsupported value: "X": supported values: "Fail", "Ignore"'],
    ],
    [
      { 'webhooks.0.matchPolicy': 'X' },
      ['webhooks[0].matchPolicy: Unsupported value: "X": supported values: "Equivalent", "Exact"'],
    ],
    [
      { 'webhooks.0.rules.0': {} },
      [
        'webhooks[0].rules[0].operations: Required value',
        'webhooks[0].rules[0].apiGroups: Required value',
        'webhooks[0].rules[0].apiVersions: Required value',
        'webhooks[0].rules[0].resources: Required value',
      ],
    ],
    [
      { 'webhooks.0.rules.0.resources': ['*', 'pods', 'pods/*', 'pods/x', '*/x', '*/*'] },
      [
        'webhooks[0].rules[0].resources[3]: Invalid value: "pods/x": if \'pods/*\' is present, must not specify pods/x',
        'webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/x","*/x","*/*"]: if \'*/*\' is present, must not specify other resources',
        'webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/x","*/x","*/*"]: if \'*\' is present, must not specify other resources without subresources',
      ],
    ],
    [
      { 'webhooks.0.rules.0.operations': ['*', 'X'] },
      [
        'webhooks[0].rules[0].operations: Invalid value: ["*","X"]: if \'*\' is present, must not specify other operations',
        'webhooks[0].rules[0].operations[1]: Unsupported value: "X": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
      ],
    ],
    [
      { 'webhooks.0.rules.0.apiVersions': ['', '*'] },
      [
        'webhooks[0].rules[0].apiVersions: Invalid value: ["","*"]: if \'*\' is present, must not specify other API versions',
        'webhooks[0].rules[0].apiVersions[0]: Required value',
      ],
    ],
    [
      { 'webhooks.0.rules.0.scope': 'X' },
      ['webhooks[0].rules[0].scope: Unsupported value: "X": supported values: "*", "Cluster", "Namespaced"'],
    ],
    [
      { 'webhooks.0.namespaceSelector': { matchExpressions: [{ key: '', operator: 'X' }] } },
      [
        'webhooks[0].namespaceSelector.matchExpressions[0].operator: Invalid value: "X": not a valid selector operator',
        'webhooks[0].namespaceSelector.matchExpressions[0].key: Invalid value: "": name part must be non-empty',
        "webhooks[0].namespaceSelector.matchExpressions[0].key: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [
      {
        'webhooks.0.matchConditions': [
          { name: '', expression: '' },
          { name: 'a', expression: 'true' },
          { name: 'a', expression: 'true' },
        ],
      },
      [
        'webhooks[0].matchConditions[0].expression: Required value',
        'webhooks[0].matchConditions[0].name: Required value',
        'webhooks[0].matchConditions[2].name: Duplicate value: "a"',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
