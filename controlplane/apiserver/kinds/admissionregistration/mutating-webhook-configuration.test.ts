import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('MutatingWebhookConfiguration', () => {
  const table = new KindTable('admissionregistration.k8s.io/v1/MutatingWebhookConfiguration', {
    metadata: { name: 'x' },
    webhooks: [
      {
        name: 'a.b.c',
        clientConfig: { service: { name: 'a', namespace: 'b' } },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'webhooks.0.reinvocationPolicy': 'X' },
      ['webhooks[0].reinvocationPolicy: Unsupported value: "X": supported values: "IfNeeded", "Never"'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
