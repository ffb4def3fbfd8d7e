import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

const RESIZED = [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }];

describe('Job', () => {
  const table = new KindTable('batch/v1/Job', {
    metadata: { name: 'x', namespace: 'default' },
    spec: {
      template: {
        metadata: { labels: { a: 'b' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
      },
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.parallelism': -1 }, ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0']],
    [{ 'spec.completions': -2 }, ['spec.completions: Invalid value: -2: must be greater than or equal to 0']],
    [{ 'spec.backoffLimit': -1 }, ['spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0']],
    [
      { 'spec.activeDeadlineSeconds': -1 },
      ['spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { 'spec.ttlSecondsAfterFinished': -1 },
      ['spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { 'spec.template.spec.restartPolicy': 'Always' },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      { 'spec.template.spec.restartPolicy': 'Foo' },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Foo": supported values: "Always", "OnFailure", "Never"',
        'spec.template.spec.restartPolicy: Unsupported value: "Foo": supported values: "OnFailure", "Never"',
      ],
    ],
    [
      { 'spec.selector': { matchLabels: { z: 'y' } } },
      [
        'spec.template.metadata.labels: Invalid value: {"a":"b","batch.kubernetes.io/controller-uid":"","batch.kubernetes.io/job-name":"x","controller-uid":"","job-name":"x"}: `selector` does not match template `labels`',
      ],
    ],
    [
      { 'spec.manualSelector': true },
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
      ],
    ],
    [{ 'spec.manualSelector': true, 'spec.selector': { matchLabels: { a: 'b' } } }, []],
    [{ 'spec.template.metadata.labels.controller-uid': 'x' }, []],
    [{ 'spec.template.spec.containers': [] }, ['spec.template.spec.containers: Required value']],
    [
      { spec: {} },
      [
        'spec.template.spec.containers: Required value',
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      ],
    ],
    [{ 'metadata.name': 'A_b' }, []],
    [{ 'spec.completionMode': 'Indexed' }, []],
    [
      { 'spec.completionMode': 'X' },
      ['spec.completionMode: Unsupported value: "X": supported values: "NonIndexed", "Indexed"'],
    ],
    [
      { 'spec.completionMode': 'Indexed', 'spec.completions': 3, 'spec.parallelism': 100001 },
      ['spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed'],
    ],
    [
      { 'spec.backoffLimitPerIndex': 1 },
      ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
    ],
    [
      {
        'spec.completionMode': 'Indexed',
        'spec.completions': 3,
        'spec.backoffLimitPerIndex': -1,
        'spec.maxFailedIndexes': 4,
      },
      [
        'spec.backoffLimitPerIndex: Invalid value: -1: must be greater than or equal to 0',
        'spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions',
      ],
    ],
    [
      { 'spec.maxFailedIndexes': 1 },
      [
        'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
        'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      ],
    ],
    [
      { 'spec.managedBy': 'x' },
      ['spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [{ 'spec.managedBy': 'a.b/c' }, []],
    [
      { 'spec.podReplacementPolicy': 'X' },
      ['spec.podReplacementPolicy: Unsupported value: "X": supported values: "Failed", "TerminatingOrFailed"'],
    ],
    [
      { 'spec.podFailurePolicy': { rules: [{ action: 'X', onExitCodes: { operator: 'In', values: [0] } }] } },
      [
        'spec.podFailurePolicy.rules[0].action: Unsupported value: "X": supported values: "Count", "FailIndex", "FailJob", "Ignore"',
        'spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator',
      ],
    ],
    [
      { 'spec.podFailurePolicy': { rules: [{ action: 'FailJob' }] } },
      ['spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required'],
    ],
    [
      {
        'spec.podFailurePolicy': { rules: [{ action: 'FailIndex', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
      },
      [
        'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
      ],
    ],
    [
      {
        'spec.podFailurePolicy': {
          rules: [{ action: 'Ignore', onExitCodes: { containerName: 'z', operator: 'NotIn', values: [2, 1, 2] } }],
        },
        'spec.podReplacementPolicy': 'TerminatingOrFailed',
      },
      [
        'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer names in the pod template',
        'spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 2',
        'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1,2]: must be ordered',
        'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
      ],
    ],
    [
      { 'spec.successPolicy': { rules: [{ succeededCount: 1 }] } },
      ['spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'],
    ],
    [
      {
        'spec.completionMode': 'Indexed',
        'spec.completions': 3,
        'spec.successPolicy': { rules: [{ succeededIndexes: '0-5', succeededCount: 9 }, {}] },
      },
      [
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-5": error parsing succeededIndexes: too large index: "5"',
        'spec.successPolicy.rules[0].succeededCount: Invalid value: 9: must be less than or equal to 3 (the number of specified completions)',
        'spec.successPolicy.rules[0].succeededCount: Invalid value: 9: must be less than or equal to 0 (the number of indexes in the specified succeededIndexes field)',
        'spec.successPolicy.rules[1]: Required value: at least one of succeededCount or succeededIndexes must be specified',
      ],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, unknown[]]>([
    [{}, { 'spec.completions': 4 }, ['spec.completions: Invalid value: 4: field is immutable']],
    [{}, { 'spec.parallelism': 4, 'spec.suspend': true }, []],
    [{ 'spec.suspend': true }, { 'spec.template.spec.nodeSelector': { a: 'b' } }, []],
    [{ 'spec.suspend': true }, { 'spec.template.spec.containers': RESIZED }, []],
    [
      {},
      { 'spec.template.spec.containers': RESIZED },
      [expect.stringMatching(/^spec.template: .*field is immutable$/)],
    ],
    [
      { 'spec.suspend': true, status: { active: 1 } },
      { 'spec.template.spec.containers': RESIZED },
      [expect.stringMatching(/field is immutable$/)],
    ],
    [
      { 'spec.suspend': true },
      { 'spec.template.spec.containers': [{ name: 'c', image: 'other' }] },
      [expect.stringMatching(/field is immutable$/)],
    ],
    [
      { 'spec.completionMode': 'Indexed', 'spec.completions': 2 },
      { 'spec.completions': 3 },
      ['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism'],
    ],
    [{ 'spec.completionMode': 'Indexed', 'spec.completions': 2 }, { 'spec.completions': 3, 'spec.parallelism': 3 }, []],
    [{}, { 'spec.managedBy': 'a.b/c' }, ['spec.managedBy: Invalid value: "a.b/c": field is immutable']],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [
      {},
      { status: { active: -1 } },
      [
        'status.active: Invalid value: -1: must be greater than or equal to 0',
        'status.ready: Invalid value: 0: cannot set more ready pods than active',
      ],
    ],
    [
      {},
      {
        status: {
          conditions: [
            { type: 'Complete', status: 'True' },
            { type: 'Failed', status: 'True' },
          ],
        },
      },
      [
        'status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions',
        'status.completionTime: Required value: completionTime is required for Complete jobs',
        'status.startTime: Required value: startTime is required for finished job',
      ],
    ],
    [
      { status: { succeeded: 3 } },
      { status: { succeeded: 2 } },
      ['status.succeeded: Invalid value: 2: cannot decrease the succeeded counter'],
    ],
    [
      { 'spec.completionMode': 'Indexed', 'spec.completions': 2, 'spec.parallelism': 2, status: { succeeded: 3 } },
      { status: { succeeded: 2, completedIndexes: '0,1' } },
      [],
    ],
  ])('%j with a status of %j', (from, change, errors) => {
    expect(table.statusErrors(change, from)).toEqual(errors);
  });
});
