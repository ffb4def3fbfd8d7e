import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('CronJob', () => {
  const table = new KindTable('batch/v1/CronJob', {
    metadata: { name: 'x', namespace: 'default' },
    spec: {
      schedule: '* * * * *',
      jobTemplate: {
        spec: {
          template: {
            metadata: { labels: { a: 'b' } },
            spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
          },
        },
      },
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.schedule': '' }, ['spec.schedule: Required value']],
    [{ 'spec.schedule': 'x' }, ['spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]']],
    [
      { 'spec.schedule': '* * * *' },
      ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'],
    ],
    [
      { 'spec.schedule': '61 * * * *' },
      ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
    ],
    [{ 'spec.schedule': '@every 1h' }, []],
    [
      { 'spec.schedule': '@every x' },
      ['spec.schedule: Invalid value: "@every x": failed to parse duration @every x: time: invalid duration "x"'],
    ],
    [{ 'spec.schedule': '@foo' }, ['spec.schedule: Invalid value: "@foo": unrecognized descriptor: @foo']],
    [
      { 'spec.concurrencyPolicy': 'X' },
      ['spec.concurrencyPolicy: Unsupported value: "X": supported values: "Allow", "Forbid", "Replace"'],
    ],
    [
      { 'spec.startingDeadlineSeconds': -1 },
      ['spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { 'spec.successfulJobsHistoryLimit': -1 },
      ['spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { 'spec.jobTemplate.spec.selector': { matchLabels: { a: 'b' } } },
      ['spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated'],
    ],
    [
      { 'spec.jobTemplate.spec.manualSelector': true },
      ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
    ],
    [
      { 'metadata.name': 'x'.repeat(53) },
      [
        'metadata.name: Invalid value: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": must be no more than 52 characters',
      ],
    ],
    [
      { 'spec.jobTemplate': {} },
      [
        'spec.jobTemplate.spec.template.spec.containers: Required value',
        'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      ],
    ],
    [
      { 'spec.schedule': 'TZ=UTC * * * * *' },
      [
        'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ],
    ],
    [
      { 'spec.timeZone': 'Europe/Nowhere' },
      ['spec.timeZone: Invalid value: "Europe/Nowhere": unknown time zone Europe/Nowhere'],
    ],
    [
      { 'spec.timeZone': 'Local' },
      [
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ],
    ],
    [{ 'spec.timeZone': 'Europe/Berlin' }, []],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
