/**
 * What the runtime holds of one pod, in plain words: made from CRI messages at the edge (pleg/), read by every plan.
 * Times are milliseconds since the epoch, 0 for never.
 */
import type { ContainerUser } from '../../../proto/api/core-v1.ts';
import type { ActualResources } from '../allocations/plan/applied-resources.ts';

export type ContainerViewState = 'created' | 'running' | 'exited' | 'unknown';

/** One attempt of one container. */
export interface ContainerView {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: ContainerViewState;
  /** How often the container had been restarted when this attempt was made: `restartCount`. */
  readonly attempt: number;
  /** As the spec said it when the attempt was made. */
  readonly image: string;
  /** Reference that the runtime resolved it to: `docker.io/library/x@sha256:...`. */
  readonly imageRef: string;
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** Of an exited one. */
  readonly exitCode: number;
  /** The runtime's word: `OOMKilled`, `Error`, `Completed`, `StartError`. */
  readonly reason: string;
  readonly message: string;
  /** Hash of the container's spec, from the annotation; '' if it was not made by us. */
  readonly hash: string;
  readonly logPath: string;
  /** What the runtime says that it has; undefined where it does not tell. */
  readonly resources?: ActualResources;
  /** Who its first process is, where the runtime tells. */
  readonly user?: ContainerUser;
  /** What ends it, where the runtime tells: `SIGTERM`. */
  readonly stopSignal?: string;
  /** Container paths that are read-only all the way down, where there are any. */
  readonly recursivelyReadOnly?: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** One sandbox of the pod. */
export interface SandboxView {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAtMs: number;
  /** First one first; none on the host's network. */
  readonly ips: readonly string[];
}

/** Everything of one pod. */
export interface PodView {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Newest first. */
  readonly sandboxes: readonly SandboxView[];
  /** Newest first; all attempts that the runtime still has. */
  readonly containers: readonly ContainerView[];
}

/** The newest attempt of a container. */
export function newestContainer(view: PodView | undefined, name: string): ContainerView | undefined {
  return view?.containers.find(container => container.name === name);
}

/** Whether anything of the pod still runs: a container, or a sandbox. */
export function isAnythingRunning(view: PodView | undefined): boolean {
  if (view === undefined) return false;
  return view.containers.some(c => c.state === 'running') || view.sandboxes.some(s => s.ready);
}
