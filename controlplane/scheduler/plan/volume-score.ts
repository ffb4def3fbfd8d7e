/** How welcome a pod's volumes are on a node, by how full its storage then is. Pure. Source: KEP-4049; upstream `volumebinding/scorer.go`. */
import type { Node } from '../../../proto/api/core-v1.ts';
import { storageClassOf, capacityOf, requestOf } from '../../../machinery/meta/volume-match.ts';
import { tryParseQuantity } from '../../../machinery/meta/quantity.ts';
import { roomFor } from './storage-capacity.ts';
import type { VolumeDecision, VolumeSources } from './volumes.ts';

/** Bytes, of one storage class. */
export interface StorageUse {
  requested: number;
  capacity: number;
}

/**
 * What the decision asks of each storage class and what there is, by class: sizes of volumes that are there, or else what the driver tells of the
 * storage in which volumes are to be made.
 */
export function storageUse(
  { bindings, provisions }: VolumeDecision,
  node: Node,
  sources: VolumeSources,
): Map<string, StorageUse> {
  const use = new Map<string, StorageUse>();
  const add = (name: string, requested: number, capacity: number): void => {
    const sum = use.get(name) ?? { requested: 0, capacity: 0 };
    use.set(name, { requested: sum.requested + requested, capacity: sum.capacity + capacity });
  };
  if (bindings.length > 0) {
    for (const { claim, volume } of bindings)
      add(storageClassOf(volume), requestOf(claim).toNumber(), capacityOf(volume).toNumber());
    return use;
  }
  for (const claim of provisions) {
    const name = storageClassOf(claim);
    const storageClass = sources.storageClass(name);
    const room = storageClass === undefined ? 'unknown' : roomFor(claim, storageClass, node, sources);
    if (typeof room === 'string') continue;
    const capacity = tryParseQuantity(room.capacity ?? '0')?.toNumber() ?? 0;
    const before = use.get(name);
    // Several volumes of one class are made in the same storage.
    if (before === undefined) add(name, requestOf(claim).toNumber(), capacity);
    else before.requested += requestOf(claim).toNumber();
  }
  return use;
}

/** @param scoreOf of a utilisation in percent @returns 0 to 100 */
export function volumeScore(use: ReadonlyMap<string, StorageUse>, scoreOf: (utilization: number) => number): number {
  if (use.size === 0) return 0;
  let sum = 0;
  for (const { requested, capacity } of use.values())
    sum += scoreOf(capacity === 0 || requested > capacity ? 100 : Math.floor((requested * 100) / capacity));
  return Math.round(sum / use.size);
}
