/**
 * What becomes of a claim that asks for more than it has. Pure.
 * Source: kubernetes `pkg/controller/volume/expand`, 1.36; KEP-1790 (what a claim tells of how far it is).
 */
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
} from '../../../proto/api/core-v1.ts';
import { isLocalPathVolume } from '../../../machinery/meta/local-path.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import { parseQuantity } from '../../../machinery/meta/quantity.ts';
import { capacityOf, isReservedFor, requestOf } from '../../../machinery/meta/volume-match.ts';

export type GrowthPlan =
  | { kind: 'none' }
  /** Somebody else does it. */
  | { kind: 'external'; type: 'Normal' | 'Warning'; message: string }
  /** First the volume says that it is so large, then the claim. */
  | { kind: 'grow'; volume: PersistentVolume | undefined; status: PersistentVolumeClaimStatus };

const RESIZE_CONDITIONS = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError']);

/** Whether a bound claim asks for more than it has. */
export function wantsMore({ spec, status }: PersistentVolumeClaim): boolean {
  const wanted = spec.resources?.requests?.['storage'];
  const has = status?.capacity?.['storage'];
  if (status?.phase !== 'Bound' || wanted === undefined || has === undefined) return false;
  return parseQuantity(has).compare(parseQuantity(wanted)) < 0;
}

export function planGrowth(claim: PersistentVolumeClaim, volume: PersistentVolume): GrowthPlan {
  if (!wantsMore(claim) || isDeleting(claim) || !isReservedFor(volume, claim)) return { kind: 'none' };
  // A folder has the room of its disk: there is nothing to do but to say so.
  if (isLocalPathVolume(volume)) return growHere(claim, volume);
  const { csi } = volume.spec;
  const message = 'waiting for an external controller to expand this PVC';
  if (csi === undefined) return { kind: 'external', type: 'Warning', message };
  return { kind: 'external', type: 'Normal', message: `${message}: the external-resizer of CSI driver ${csi.driver}` };
}

function growHere(claim: PersistentVolumeClaim, volume: PersistentVolume): GrowthPlan {
  const storage = claim.spec.resources?.requests?.['storage'] ?? '0';
  const isSmall = capacityOf(volume).compare(requestOf(claim)) < 0;
  const larger = { ...volume, spec: { ...volume.spec, capacity: { ...volume.spec.capacity, storage } } };
  const { conditions = [], allocatedResourceStatuses: steps = {}, ...rest } = claim.status ?? {};
  const { storage: _, ...otherSteps } = steps;
  const otherConditions = conditions.filter(({ type }) => !RESIZE_CONDITIONS.has(type));
  return {
    kind: 'grow',
    volume: isSmall ? larger : undefined,
    status: {
      ...rest,
      capacity: { ...rest.capacity, storage },
      allocatedResources: { ...rest.allocatedResources, storage },
      ...(Object.keys(otherSteps).length === 0 ? {} : { allocatedResourceStatuses: otherSteps }),
      ...(otherConditions.length === 0 ? {} : { conditions: otherConditions }),
    },
  };
}
