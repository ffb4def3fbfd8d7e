import { beforeEach, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { PendingWrites, REVIEW_MS } from './pending-writes.ts';

const pod = (uid: string, deleting = false): Pod => ({
  metadata: { name: uid, uid, ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
  spec: { containers: [] },
});

let clock: FakeClock;
let pending: PendingWrites<Pod>;
const names = (listed: readonly Pod[]): (string | undefined)[] =>
  pending.overlay('o', listed).map(({ metadata }) => metadata.name);

beforeEach(() => {
  clock = new FakeClock();
  pending = new PendingWrites<Pod>(clock);
});

test('what was made counts until the informer shows it, and then once', () => {
  pending.noteAdded('o', pod('a'));
  expect(names([])).toEqual(['a']);
  expect(names([pod('a')])).toEqual(['a']);
  pending.seen('o', pod('a'), false);
  expect([pending.has('o'), names([])]).toEqual([false, []]);
});

test('what was deleted does not count until the informer shows its end', () => {
  pending.noteRemoved('o', pod('a'));
  pending.seen('o', pod('a'), false);
  expect(names([pod('a')])).toEqual([]);
  pending.seen('o', pod('a', true), false);
  expect([pending.has('o'), names([pod('a', true)])]).toEqual([false, ['a']]);
});

test('what was made and deleted before it showed is not counted when it does', () => {
  pending.noteAdded('o', pod('a'));
  pending.noteRemoved('o', pod('a'));
  expect(names([pod('a')])).toEqual([]);
});

test('nothing is forgotten by time alone, but asked for', async () => {
  pending.noteAdded('o', pod('a'));
  expect(pending.due('o')).toEqual([]);
  await clock.advance(REVIEW_MS);
  expect(pending.due('o')).toEqual([pod('a')]);
  pending.settle('o', pod('a'), true, false);
  expect([pending.due('o'), names([])]).toEqual([[], ['a']]);
  await clock.advance(REVIEW_MS);
  pending.settle('o', pod('a'), false, false);
  expect([pending.has('o'), names([])]).toEqual([false, []]);
});

test('a deletion in doubt is asked for at once: what still lives counts again', () => {
  pending.doubtRemoved('o', pod('a'));
  expect(pending.due('o')).toEqual([pod('a')]);
  pending.settle('o', pod('a'), true, true);
  expect(names([pod('a')])).toEqual(['a']);
});

test('a draft is taken once, and is none when it shows or gets old', async () => {
  for (const uid of ['a', 'b', 'c']) pending.noteDraft('o', pod(uid));
  expect(pending.takeDraft('o', ({ metadata }) => metadata.name === 'b')).toEqual(pod('b'));
  expect(pending.takeDraft('o', ({ metadata }) => metadata.name === 'b')).toBeUndefined();
  pending.seen('o', pod('a'), false);
  expect(pending.takeDraft('o', ({ metadata }) => metadata.name === 'a')).toBeUndefined();
  await clock.advance(REVIEW_MS);
  pending.due('o');
  expect(pending.takeDraft('o', () => true)).toBeUndefined();
});
