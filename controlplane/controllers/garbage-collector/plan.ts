/**
 * What becomes of a dependent, given its owners' fate. Pure.
 * Source: upstream `pkg/controller/garbagecollector/garbagecollector.go`, attemptToDeleteItem.
 */
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';

/** `waiting`: it is being deleted in the foreground and waits for its dependents. */
export type OwnerFate = 'solid' | 'absent' | 'waiting';

export type DependentPlan =
  | { kind: 'keep' }
  | { kind: 'dropOwners'; uids: string[] }
  | { kind: 'delete'; policy: 'Foreground' | 'Background' | 'Orphan' };

export function planDependent(
  owners: readonly { owner: OwnerReference; fate: OwnerFate }[],
  self: { hasDependents: boolean; finalizers: readonly string[] },
): DependentPlan {
  if (owners.length === 0) return { kind: 'keep' };
  const gone = owners.filter(({ fate }) => fate !== 'solid');
  if (gone.length === 0) return { kind: 'keep' };
  if (gone.length < owners.length) return { kind: 'dropOwners', uids: gone.map(({ owner }) => owner.uid) };
  // The owner waits until everything under it is gone, so this one must wait for its own dependents in turn.
  if (owners.some(({ fate }) => fate === 'waiting') && self.hasDependents)
    return { kind: 'delete', policy: 'Foreground' };
  if (self.finalizers.includes('orphan')) return { kind: 'delete', policy: 'Orphan' };
  if (self.finalizers.includes('foregroundDeletion')) return { kind: 'delete', policy: 'Foreground' };
  return { kind: 'delete', policy: 'Background' };
}
