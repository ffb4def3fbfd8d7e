import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('PriorityLevelConfiguration', () => {
  const table = new KindTable('flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration', {
    metadata: { name: 'x' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 10, limitResponse: { type: 'Queue', queuing: {} } } },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ spec: {} }, ['spec.type: Unsupported value: "": supported values: "Exempt", "Limited"']],
    [
      { 'spec.type': 'Exempt' },
      [
        "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
        'spec.limited: Forbidden: must be nil if the type is not Limited',
      ],
    ],
    [{ 'spec.type': 'X' }, ['spec.type: Unsupported value: "X": supported values: "Exempt", "Limited"']],
    [{ 'spec.limited': undefined }, ['spec.limited: Required value: must not be empty when type is Limited']],
    [
      { 'spec.limited.nominalConcurrencyShares': -1 },
      ['spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer'],
    ],
    [
      { 'spec.limited.lendablePercent': 101 },
      ['spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive'],
    ],
    [
      { 'spec.limited.borrowingLimitPercent': -1 },
      ['spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer'],
    ],
    [
      { 'spec.limited.limitResponse': { type: 'Reject', queuing: {} } },
      ['spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited'],
    ],
    [
      { 'spec.limited.limitResponse': { type: 'X' } },
      ['spec.limited.limitResponse.type: Unsupported value: "X": supported values: "Queue", "Reject"'],
    ],
    [
      { 'spec.limited.limitResponse.queuing': { queues: 0, handSize: 9, queueLengthLimit: -1 } },
      ['spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive'],
    ],
    [
      { 'spec.limited.limitResponse.queuing': { queues: 4, handSize: 9 } },
      ['spec.limited.limitResponse.queuing.handSize: Invalid value: 9: should not be greater than queues (4)'],
    ],
    [
      { 'spec.limited.limitResponse.queuing': { queues: 10000001, handSize: 8 } },
      [
        'spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000',
        'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 10000001 and handSize 8 should not be greater than 60',
      ],
    ],
    [
      { 'metadata.name': 'exempt' },
      [
        "spec.type: Invalid value: \"Limited\": type must be 'Exempt' if and only if name is 'exempt'",
        'spec: Invalid value: {"limited":{"lendablePercent":0,"limitResponse":{"queuing":{"handSize":8,"queueLengthLimit":50,"queues":64},"type":"Queue"},"nominalConcurrencyShares":10},"type":"Limited"}: spec of \'exempt\' except the \'spec.exempt\' field must equal the fixed value',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
