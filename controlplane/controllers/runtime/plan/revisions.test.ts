import { describe, expect, test } from '@jest/globals';
import type { ControllerRevision } from '../../../../proto/api/apps-v1.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { planHistory, revisionData } from './revisions.ts';

const template = (image: string): PodTemplateSpec => ({
  metadata: { labels: { app: 'a' } },
  spec: { containers: [{ name: 'c', image }] },
});

function revision(number: number, data: object): ControllerRevision {
  return { metadata: { name: `r-${number}`, namespace: 'default' }, revision: number, data };
}

/** As versions write it that leave out what is not set. */
function withoutTime(image: string): object {
  const text = JSON.stringify(revisionData(template(image)));
  return JSON.parse(text.replace('"creationTimestamp":null,', '')) as object;
}

describe('planHistory()', () => {
  const one = revision(1, revisionData(template('a:1')));
  const two = revision(2, revisionData(template('a:2')));

  test('finds the revision of the template, and gives it the highest number when another came after it', () => {
    expect(planHistory(template('a:2'), [two, one])).toMatchObject({ current: two, renumber: false, old: [one] });
    const back = planHistory(template('a:1'), [one, two]);
    expect(back).toMatchObject({ current: { ...one, revision: 3 }, renumber: true, old: [two] });
    expect(planHistory(template('a:3'), [one, two])).toMatchObject({ current: undefined, nextRevision: 3 });
  });

  test('knows its own template again in data without an empty creationTimestamp', () => {
    const older = revision(1, withoutTime('a:1'));
    expect(older.data).not.toEqual(one.data);
    expect(planHistory(template('a:1'), [older]).current).toBe(older);
    expect(planHistory(template('a:2'), [older]).current).toBeUndefined();
  });
});
