/**
 * Which children an owner has, takes on and lets go. Pure.
 * Source: upstream `pkg/controller/controller_ref_manager.go`: an owner holds what refers to it and matches; it adopts orphans that match, and
 * releases what no longer matches; one that is being deleted does neither.
 */
import { controllerOf, isDeleting, type KubeObject } from '../../../../machinery/meta/object.ts';

export interface Claim<T> {
  owned: T[];
  adopt: T[];
  release: T[];
}

/** What an owner takes for its own. */
export interface Membership<T> {
  /** It belongs to the owner, as its labels or its name say: without that it is neither adopted nor kept. */
  isMember(object: T): boolean;
  /** An orphan that belongs to it may be adopted; default always. */
  mayAdopt?: ((object: T) => boolean) | undefined;
}

export function planClaim<T extends KubeObject>(
  owner: KubeObject,
  { isMember, mayAdopt = () => true }: Membership<T>,
  candidates: readonly T[],
): Claim<T> {
  const claim: Claim<T> = { owned: [], adopt: [], release: [] };
  for (const object of candidates) {
    const controller = controllerOf(object);
    if (controller === undefined) {
      if (isDeleting(owner) || isDeleting(object) || !isMember(object) || !mayAdopt(object)) continue;
      claim.adopt.push(object);
    } else if (controller.uid === owner.metadata.uid) {
      if (isMember(object)) claim.owned.push(object);
      else if (!isDeleting(owner)) claim.release.push(object);
    }
  }
  return claim;
}
