/** Whether a node's storage has room for a volume that is to be made: what CSI drivers tell of it. Pure. Source: KEP-1472; KEP-4049. */
import type { Node, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, CSIStorageCapacity, StorageClass } from '../../../proto/api/storage-v1.ts';
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { tryParseQuantity, type Quantity } from '../../../machinery/meta/quantity.ts';
import { requestOf } from '../../../machinery/meta/volume-match.ts';

export interface CapacitySources {
  csiDriver(name: string): CSIDriver | undefined;
  storageCapacities(storageClass: string): readonly CSIStorageCapacity[];
}

/** @returns what is told of the storage that has the room; `unknown`: the driver does not tell of its storage */
export function roomFor(
  claim: PersistentVolumeClaim,
  { provisioner, metadata }: StorageClass,
  node: Node,
  sources: CapacitySources,
): CSIStorageCapacity | 'none' | 'unknown' {
  if (claim.spec.resources?.requests?.['storage'] === undefined) return 'unknown';
  if (sources.csiDriver(provisioner)?.spec.storageCapacity !== true) return 'unknown';
  const size = requestOf(claim);
  const enough = sources.storageCapacities(metadata.name ?? '').find(capacity => {
    const limit = volumeLimit(capacity);
    return limit !== undefined && limit.compare(size) >= 0 && reaches(capacity, node);
  });
  return enough ?? 'none';
}

/** Of the largest volume that may be made there. */
export function volumeLimit({ maximumVolumeSize, capacity }: CSIStorageCapacity): Quantity | undefined {
  const text = maximumVolumeSize ?? capacity;
  return text === undefined ? undefined : tryParseQuantity(text);
}

function reaches({ nodeTopology }: CSIStorageCapacity, { metadata }: Node): boolean {
  return nodeTopology !== undefined && compileLabelSelector(nodeTopology).matches(metadata.labels);
}
