import { describe, expect, test } from '@jest/globals';
import type { Deployment, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import { newSetAnnotations, nextRevision, REVISION, revisionOf, setsToClean } from './revisions.ts';

function set(revision: string | undefined, name = 'x'): ReplicaSet {
  const annotations = revision === undefined ? {} : { [REVISION]: revision };
  return { metadata: { name, annotations }, spec: { replicas: 0 }, status: { replicas: 0 } } as ReplicaSet;
}

describe('revisionOf()', () => {
  test.each([
    [undefined, 0n],
    ['7', 7n],
    ['+7', 7n],
    ['9223372036854775807', 9223372036854775807n],
    ['9223372036854775808', 0n],
    ['1.5', 0n],
    ['0x10', 0n],
    ['', 0n],
  ])('of %s is %s', (text, want) => {
    expect(revisionOf(set(text))).toBe(want);
  });
});

test('nextRevision() is exact beyond the numbers that a double holds', () => {
  expect(nextRevision([set('3546343826724305832'), set('2')])).toBe(3546343826724305833n);
  expect(nextRevision([])).toBe(1n);
});

test('newSetAnnotations() remembers the revision that a rollback replaces', () => {
  const deployment = { metadata: { name: 'd' }, spec: { replicas: 1 } } as Deployment;
  expect(newSetAnnotations(deployment, set('1'), 4n)).toMatchObject({
    [REVISION]: '4',
    'deployment.kubernetes.io/revision-history': '1',
  });
});

test('newSetAnnotations() forgets the oldest revisions of a list that gets too long', () => {
  const deployment = { metadata: { name: 'd' }, spec: { replicas: 1 } } as Deployment;
  const history = Array.from({ length: 500 }, (_, i) => 1000 + i).join(',');
  const before = set('2000');
  const old = { ...before.metadata.annotations, 'deployment.kubernetes.io/revision-history': history };
  const next = newSetAnnotations(deployment, { ...before, metadata: { name: 'x', annotations: old } }, 2001n);
  const kept = next['deployment.kubernetes.io/revision-history'] ?? '';
  expect(kept.length).toBeLessThanOrEqual(2000);
  expect(kept.endsWith(',1499,2000')).toBe(true);
});

test('setsToClean() takes the oldest revisions, by number', () => {
  const deployment = { metadata: { name: 'd' }, spec: { revisionHistoryLimit: 1 } } as Deployment;
  const sets = [set('10', 'c'), set('9', 'b'), set('2', 'a')];
  expect(setsToClean(deployment, sets).map(s => s.metadata.name)).toEqual(['a', 'b']);
});
