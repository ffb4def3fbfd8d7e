/** What nodes set aside for pods, and resizes in place: built as one, used by the pod workers. */
import type { PodCondition } from '../../../proto/api/core-v1.ts';
import { APPLIED_ANNOTATION, parseApplied, type AppliedResources } from './plan/applied-resources.ts';
import type { KubeletFolders } from '../plan/pod-paths.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { AllocationStore } from './allocation-store.ts';
import { ResizeExecutor, type ResizeExecutorOptions } from './resize-executor.ts';
import { Resizer, type ResizerOptions } from './resizer.ts';

export interface Allocations {
  readonly store: AllocationStore;
  readonly resizer: Resizer;
  readonly executor: ResizeExecutor;
  /** What a running container of the pod was given; undefined if nobody knows and nobody asks for something else. */
  readonly appliedTo: (uid: string, container: ContainerView) => AppliedResources | undefined;
  readonly conditions: (uid: string) => readonly PodCondition[];
}

export type AllocationsOptions = Omit<ResizerOptions, 'store'> &
  Omit<ResizeExecutorOptions, 'store' | 'resizer'> & { readonly folders: KubeletFolders };

/** A container of an older k8ts: whatever it has, it is given what it should have. */
const UNKNOWN: AppliedResources = { cpuShares: 0, cpuQuotaUs: 0, memoryLimitBytes: 0, memoryRequestBytes: 0 };

export function createAllocations(options: AllocationsOptions): Allocations {
  const store = new AllocationStore(options.folders, options.logger);
  const resizer = new Resizer({ ...options, store });
  const executor = new ResizeExecutor({ ...options, store, resizer });
  return {
    store,
    resizer,
    executor,
    appliedTo: (uid, container) =>
      store.applied(uid, container.id) ??
      parseApplied(container.annotations[APPLIED_ANNOTATION]) ??
      (store.resizing(uid) === undefined ? undefined : UNKNOWN),
    conditions: uid => resizer.conditions(uid),
  };
}
