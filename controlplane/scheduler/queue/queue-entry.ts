/** A pod that waits for a node, or is being tried. */
import { keyOf } from '../../../machinery/meta/object.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { QueuedPod } from '../framework/framework.ts';
import { DEFAULT_SCHEDULER_NAME } from '../plugins/default-profile.ts';
import type { HeapMember } from './indexed-heap.ts';

/** Where an entry is. `trying`: it was popped, and neither parked nor done yet. `gone`: the queue knows it no more. */
export type Place = 'active' | 'backoff' | 'unschedulable' | 'trying' | 'gone';

const NOBODY: readonly string[] = [];

export class QueueEntry implements QueuedPod, HeapMember {
  readonly uid: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly priority: number;
  readonly order: number;
  /** The newest that is known of it. */
  pod: Pod;
  attempts = 0;
  place: Place = 'gone';
  heapIndex = -1;
  /** When it was first put in. */
  readonly addedMs: number;
  /** When it last came back from a try. */
  returnedMs = 0;
  /** Tries in a row that found no node, and that failed with an error. */
  unschedulableCount = 0;
  errorCount = 0;
  /** In back-off: until then. */
  dueMs = 0;
  /** Unschedulable: the plugins whose hints are asked. */
  rejectedBy = NOBODY;
  /** A PreEnqueue plugin keeps it out. */
  gated = false;

  constructor(pod: Pod, order: number, nowMs: number) {
    this.pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.key = keyOf(pod);
    this.priority = priorityOf(pod);
    this.order = order;
    this.addedMs = nowMs;
  }

  get schedulerName(): string {
    return schedulerNameOf(this.pod);
  }
}

/** The profile that the pod asks for. */
export function schedulerNameOf({ spec }: Pod): string {
  return spec.schedulerName ?? DEFAULT_SCHEDULER_NAME;
}
