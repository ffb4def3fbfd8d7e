/** Annotations by which scheduler, volume binder and provisioners agree on claims and volumes. Upstream's names; the values of the first two do not matter. */

/** Of a claim: it has been bound; what changes from then on is a loss. */
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
/** Of a claim or a volume: the binding was not its author's wish, and may be taken back. */
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** Of a claim: the node that its volume has to be reached from. The scheduler sets it; a provisioner that cannot takes it away. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** Of a claim: who is asked to make its volume. */
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
/** Of a volume: who made it, and deletes it. */
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
