/** What a pod worker remembers of one pod between its runs. Everything else is looked at anew each time. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodSandboxConfig } from '../../../proto/cri/runtime.gen.ts';
import type { WaitingReason } from '../plan/container-status.ts';
import type { PodVerdict } from '../plan/pod-status.ts';

/** Only moves forward. */
export type PodPhaseOfWork = 'sync' | 'terminating' | 'terminated' | 'finished';

export interface PodRecord {
  readonly uid: string;
  /** The newest, with the resources that the node allocated to it. Read again after every await. */
  pod: Pod;
  /** The newest as the API has it: what it asks for may be more than it was allocated. */
  desired: Pod;
  phase: PodPhaseOfWork;
  /** The API has no such pod (any more). */
  gone: boolean;
  /** The kubelet itself ended it. */
  verdict: PodVerdict | undefined;
  /** Nothing of it is to run again: all containers ended by themselves. */
  completed: boolean;
  admitted: boolean;
  /** UIDs of pods that end so that there is room for it. */
  readonly victims: Set<string>;
  /** Why containers do not run, by name. */
  readonly waiting: Map<string, WaitingReason>;
  /** Kills under way, by container id. */
  readonly killing: Set<string>;
  /** Containers that were stopped to be made anew, by id. */
  readonly replacing: Set<string>;
  /** Containers whose postStart hook has not ended, by id: neither started nor ready. */
  readonly hooking: Set<string>;
  /** Of the sandbox in use; made again after a restart of the kubelet. */
  sandboxConfig: PodSandboxConfig | undefined;
  /** Ends the taking up of volumes that were there before this kubelet; undefined: not begun. */
  following: AbortController | undefined;
  /** Ends the run under way. */
  abort: AbortController;
  /** A call was given up half-way: what the runtime has must be listed before anything is decided. */
  uncertain: boolean;
  /** Starts that failed in a row, sandbox and configuration alike. */
  failures: number;
  /** Monotonic time at which termination began. */
  terminatingSinceMs: number | undefined;
  /** Grace period that the kill under way was begun with. */
  graceInUse: number | undefined;
  /** Its control group was removed; nothing makes it again. */
  cgroupRemoved: boolean;
  /** Monotonic; when nothing but its remains was left. */
  removableSinceMs: number | undefined;
}

export function newRecord(uid: string, pod: Pod): PodRecord {
  return {
    uid,
    pod,
    desired: pod,
    phase: 'sync',
    gone: false,
    verdict: undefined,
    completed: false,
    admitted: false,
    victims: new Set(),
    waiting: new Map(),
    killing: new Set(),
    replacing: new Set(),
    hooking: new Set(),
    sandboxConfig: undefined,
    following: undefined,
    abort: new AbortController(),
    uncertain: false,
    failures: 0,
    terminatingSinceMs: undefined,
    graceInUse: undefined,
    cgroupRemoved: false,
    removableSinceMs: undefined,
  };
}
