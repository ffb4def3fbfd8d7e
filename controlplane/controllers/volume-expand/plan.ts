/** Whom a claim that should grow waits for. Pure. */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { parseQuantity } from '../../../machinery/meta/quantity.ts';

/** Whether a bound claim asks for more than it has. */
export function wantsMore({ spec, status }: PersistentVolumeClaim): boolean {
  const wanted = spec.resources?.requests?.storage;
  const has = status?.capacity?.storage;
  if (status?.phase !== 'Bound' || wanted === undefined || has === undefined) return false;
  return parseQuantity(has).compare(parseQuantity(wanted)) < 0;
}

export function planGrowth({ spec }: PersistentVolume): { type: 'Normal' | 'Warning'; message: string } {
  if (spec.csi !== undefined) {
    const message = `waiting for an external controller to expand this PVC: the external-resizer of CSI driver ${spec.csi.driver}`;
    return { type: 'Normal', message };
  }
  const message =
    "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to process this PVC.";
  return { type: 'Warning', message };
}
