import { expect, test } from '@jest/globals';
import type { Job } from '../../../proto/api/batch-v1.ts';
import { expiryMs } from './plan.ts';

const ENDED = '2026-01-01T00:00:00Z';
const job = (ttlSecondsAfterFinished: number | undefined, type?: string, status = 'True', deleted?: string): Job => ({
  metadata: { name: 'j', deletionTimestamp: deleted },
  spec: { template: {}, ttlSecondsAfterFinished },
  status: {
    conditions: type === undefined ? [] : [{ type, status: status as 'True', lastTransitionTime: ENDED }],
  },
});

test.each<[string, Job, number | undefined]>([
  ['complete', job(60, 'Complete'), 60],
  ['failed', job(0, 'Failed'), 0],
  ['not yet', job(60, 'SuccessCriteriaMet'), undefined],
  ['condition not true', job(60, 'Complete', 'False'), undefined],
  ['runs', job(60), undefined],
  ['to stay', job(undefined, 'Complete'), undefined],
  ['goes already', job(60, 'Complete', 'True', ENDED), undefined],
])('expiryMs() of a job: %s', (_name, subject, seconds) => {
  expect(expiryMs(subject)).toBe(seconds === undefined ? undefined : Date.parse(ENDED) + seconds * 1000);
});
