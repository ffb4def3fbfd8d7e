import { expect, test } from '@jest/globals';
import { planDependent, type DependentPlan, type OwnerFate } from './plan.ts';

const owner = (fate: OwnerFate, i: number) => ({
  owner: { apiVersion: 'v1', kind: 'ConfigMap', name: `o${i}`, uid: `o${i}` },
  fate,
});
const deleted = (policy: 'Foreground' | 'Background' | 'Orphan'): DependentPlan => ({ kind: 'delete', policy });

test.each<[string, OwnerFate[], boolean, string[], DependentPlan]>([
  ['no owner', [], false, [], { kind: 'keep' }],
  ['owners that live', ['solid', 'solid'], false, [], { kind: 'keep' }],
  ['one of two gone', ['absent', 'solid'], false, [], { kind: 'dropOwners', uids: ['o0'] }],
  ['one of two waiting', ['solid', 'waiting'], true, [], { kind: 'dropOwners', uids: ['o1'] }],
  ['all gone', ['absent', 'absent'], true, [], deleted('Background')],
  ['one waiting, with dependents', ['absent', 'waiting'], true, [], deleted('Foreground')],
  ['one waiting, without', ['waiting'], false, [], deleted('Background')],
  ['all gone, to be orphaned', ['absent'], false, ['orphan'], deleted('Orphan')],
  ['all gone, in the foreground', ['absent'], false, ['foregroundDeletion'], deleted('Foreground')],
])('planDependent() with %s', (_name, fates, hasDependents, finalizers, expected) => {
  expect(planDependent(fates.map(owner), { hasDependents, finalizers })).toEqual(expected);
});
