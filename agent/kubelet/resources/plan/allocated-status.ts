/** `allocatedResourcesStatus` of containers: which devices they have, and how these are. Source: KEP-4680. */
import type { PodStatus, ResourceStatus } from '../../../../proto/api/core-v1.ts';

export function withAllocated(status: PodStatus, allocatedTo: (container: string) => ResourceStatus[]): PodStatus {
  if (status.containerStatuses === undefined) return status;
  let changed = false;
  const containerStatuses = status.containerStatuses.map(one => {
    const allocated = allocatedTo(one.name);
    if (allocated.length === 0) return one;
    changed = true;
    return { ...one, allocatedResourcesStatus: allocated };
  });
  return changed ? { ...status, containerStatuses } : status;
}
