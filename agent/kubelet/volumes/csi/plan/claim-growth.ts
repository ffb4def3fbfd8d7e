/**
 * Whether a volume that has grown is still to be grown on the node, and how its claim then stands. Pure.
 * Source: kubernetes.io/docs, "Expanding Persistent Volumes Claims"; KEP 1790 (recovery from failures).
 */
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
} from '../../../../../proto/api/core-v1.ts';
import { parseQuantity } from '../../../../../machinery/meta/quantity.ts';

const RESIZE_CONDITIONS = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError']);
/** The node has tried in vain: nothing happens until the claim asks for another size. */
const INFEASIBLE = 'NodeResizeInfeasible';

/** Whether it is worth a look at the volume: the claim asks for more than it has, or its resizer says that it is the node's turn. */
export function mayGrow({ spec, status }: PersistentVolumeClaim): boolean {
  if (status?.conditions?.some(({ type }) => type === 'FileSystemResizePending') === true) return true;
  const [wanted, has] = [spec.resources?.requests?.storage, status?.capacity?.storage];
  return wanted !== undefined && has !== undefined && parseQuantity(has).compare(parseQuantity(wanted)) < 0;
}

/** The size to grow to, as a quantity; undefined: nothing is to be done here. */
export function growthDue(claim: PersistentVolumeClaim, volume: PersistentVolume): string | undefined {
  const has = claim.status?.capacity?.storage;
  const wanted = volume.spec.capacity?.storage;
  if (has === undefined || wanted === undefined || claim.status?.phase !== 'Bound') return undefined;
  if (claim.status.allocatedResourceStatuses?.storage === INFEASIBLE) return undefined;
  return parseQuantity(has).compare(parseQuantity(wanted)) < 0 ? wanted : undefined;
}

/** The status once the node has grown it: a strategic patch of the claim's status. */
export function grownStatus(claim: PersistentVolumeClaim, size: string): Partial<PersistentVolumeClaimStatus> {
  const removed = (claim.status?.conditions ?? [])
    .filter(({ type }) => RESIZE_CONDITIONS.has(type))
    .map(({ type }) => ({ $patch: 'delete', type }));
  return {
    capacity: { storage: size },
    // A patch says null for what goes; the types know no patches.
    ...({ conditions: removed, allocatedResourceStatuses: { storage: null } } as object),
  };
}

/** The status of a claim whose driver says that it cannot be. */
export function infeasibleStatus(): Partial<PersistentVolumeClaimStatus> {
  return { allocatedResourceStatuses: { storage: INFEASIBLE } };
}
