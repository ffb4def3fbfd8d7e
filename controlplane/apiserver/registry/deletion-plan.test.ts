import { expect, test } from '@jest/globals';
import { deletionPlan, type DeletionInput } from './deletion-plan.ts';

const NOW = Date.UTC(2026, 0, 1);
const at = (ms: number): string => new Date(ms).toISOString().replace('.000', '');
const input = (metadata: object, more: Partial<DeletionInput> = {}): DeletionInput => ({
  object: { metadata },
  nowMs: NOW,
  requestedGraceSeconds: undefined,
  propagation: undefined,
  defaultPropagation: 'Background',
  graceSeconds: undefined,
  held: false,
  ...more,
});
const dying = { deletionTimestamp: at(NOW + 30_000), deletionGracePeriodSeconds: 30 };

test.each([
  { name: 'nothing holds it', in: input({}), want: { kind: 'delete' } },
  {
    name: 'a finalizer holds it',
    in: input({ finalizers: ['a/b'] }),
    want: { kind: 'mark', deletionAtMs: NOW, graceSeconds: 0, finalizers: ['a/b'] },
  },
  {
    name: 'something else holds it',
    in: input({}, { held: true }),
    want: { kind: 'mark', deletionAtMs: NOW, graceSeconds: 0, finalizers: [] },
  },
  {
    name: 'marked and still held',
    in: input({ ...dying, deletionGracePeriodSeconds: 0, finalizers: ['a/b'] }),
    want: { kind: 'pending' },
  },
  {
    name: 'foreground is asked for',
    in: input({}, { propagation: 'Foreground' }),
    want: { kind: 'mark', deletionAtMs: NOW, graceSeconds: 0, finalizers: ['foregroundDeletion'] },
  },
  {
    name: 'orphans are asked for',
    in: input({ finalizers: ['foregroundDeletion'] }, { propagation: 'Orphan' }),
    want: { kind: 'mark', deletionAtMs: NOW, graceSeconds: 0, finalizers: ['orphan'] },
  },
  {
    name: 'it has time to stop',
    in: input({}, { graceSeconds: 30 }),
    want: { kind: 'mark', deletionAtMs: NOW + 30_000, graceSeconds: 30, finalizers: [] },
  },
  { name: 'it is stopping', in: input(dying, { graceSeconds: 30 }), want: { kind: 'pending' } },
  {
    name: 'a longer time is asked for',
    in: input(dying, { graceSeconds: 60, requestedGraceSeconds: 60 }),
    want: { kind: 'pending' },
  },
  {
    name: 'a shorter time is asked for',
    in: input(dying, { graceSeconds: 10, requestedGraceSeconds: 10 }),
    want: { kind: 'mark', deletionAtMs: NOW + 10_000, graceSeconds: 10, finalizers: [] },
  },
  {
    name: 'no time is asked for',
    in: input(dying, { graceSeconds: 0, requestedGraceSeconds: 0 }),
    want: { kind: 'delete' },
  },
])('deletionPlan() when $name: $want.kind', ({ in: given, want }) => {
  expect(deletionPlan(given)).toEqual(want);
});
