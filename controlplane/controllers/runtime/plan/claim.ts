/**
 * Which children an owner has, takes on and lets go. Pure.
 * Source: upstream `pkg/controller/controller_ref_manager.go`: an owner holds what refers to it and matches; it adopts orphans that match, and
 * releases what no longer matches; one that is being deleted does neither.
 */
import type { LabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { controllerOf, isDeleting, type KubeObject } from '../../../../machinery/meta/object.ts';

export interface Claim<T> {
  owned: T[];
  adopt: T[];
  release: T[];
}

export function planClaim<T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector,
  candidates: readonly T[],
): Claim<T> {
  const claim: Claim<T> = { owned: [], adopt: [], release: [] };
  for (const object of candidates) {
    const controller = controllerOf(object);
    const matches = selector.matches(object.metadata.labels);
    if (controller === undefined) {
      if (matches && !isDeleting(owner) && !isDeleting(object)) claim.adopt.push(object);
    } else if (controller.uid === owner.metadata.uid) {
      if (matches) claim.owned.push(object);
      else if (!isDeleting(owner)) claim.release.push(object);
    }
  }
  return claim;
}
