/**
 * Finds an owner's children through an informer and writes adoptions and releases.
 */
import type { Client } from '../../../machinery/client/client.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { controllerOf, controllerRef } from '../../../machinery/meta/object.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import { planClaim, type Membership } from './plan/claim.ts';

/** Index: uid of the controller owner. */
export const BY_CONTROLLER = 'controllerUid';
/** Index: namespace of objects without a controller. */
export const ORPHANS = 'orphanNamespace';

export function addOwnerIndexes<T extends AnyObject>(informer: Informer<T>): void {
  informer.addIndex(BY_CONTROLLER, object => {
    const uid = controllerOf(object)?.uid;
    return uid === undefined ? [] : [uid];
  });
  informer.addIndex(ORPHANS, object => (controllerOf(object) === undefined ? [object.metadata.namespace ?? ''] : []));
}

export interface ClaimOptions<O extends AnyObject, T extends AnyObject> extends Membership<T> {
  client: Client;
  owner: O;
  ownerResource: Resource<O>;
  informer: Informer<T>;
  signal: AbortSignal;
}

export interface Claimed<T> {
  owned: T[];
  /** As they are now, owned. */
  adopted: T[];
  /** As they were when they were owned. */
  released: T[];
}

/** The owner's children after adoptions and releases. @throws StatusError when a write failed for a reason that is not a race */
export async function claimChildren<O extends AnyObject, T extends AnyObject>(
  options: ClaimOptions<O, T>,
): Promise<Claimed<T>> {
  const { client, owner, ownerResource, informer, signal } = options;
  const { lister, resource } = informer;
  const mine = lister.byIndex(BY_CONTROLLER, owner.metadata.uid ?? '');
  const orphans = lister.byIndex(ORPHANS, owner.metadata.namespace ?? '');
  const claim = planClaim(owner, options, [...mine, ...orphans]);
  if (claim.adopt.length === 0 && claim.release.length === 0) return { owned: claim.owned, adopted: [], released: [] };
  if (claim.adopt.length > 0 && !(await isStillThere(options))) claim.adopt = [];
  const write = async (object: T, ownerReferences: unknown): Promise<T | undefined> => {
    const { namespace, name = '', uid } = object.metadata;
    try {
      const patch = { metadata: { uid, ownerReferences } };
      return await client.of(resource).patch({ namespace, name }, patch, { type: 'strategic', signal });
    } catch (error) {
      // Gone, or another owner was faster: both show in the informer soon.
      if (hasReason(error, 'NotFound', 'Conflict', 'Invalid')) return undefined;
      throw error;
    }
  };
  const adopted = await Promise.all(claim.adopt.map(object => write(object, [controllerRef(owner, ownerResource)])));
  await Promise.all(claim.release.map(object => write(object, [{ $patch: 'delete', uid: owner.metadata.uid }])));
  return { owned: claim.owned, adopted: adopted.filter(object => object !== undefined), released: claim.release };
}

/** Adopting for an owner that is just being deleted would hand its children to the garbage collector. */
async function isStillThere<O extends AnyObject, T extends AnyObject>(options: ClaimOptions<O, T>): Promise<boolean> {
  const { client, owner, ownerResource, signal } = options;
  const { namespace, name = '', uid } = owner.metadata;
  try {
    const fresh = await client.of(ownerResource).get({ namespace, name }, signal);
    return fresh.metadata.uid === uid && fresh.metadata.deletionTimestamp === undefined;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}
