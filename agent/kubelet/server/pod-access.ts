/**
 * What the kubelet's HTTPS server needs of the kubelet: pods, their containers in the runtime, and their log files. The kubelet
 * implements it (`pods/pod-access.ts`); the server never sees workers, caches or CRI messages.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';

/** A container as the runtime knows it now. */
export interface ContainerAccess {
  readonly pod: Pod;
  /** Of the newest attempt. */
  readonly container: ContainerView;
}

/** Why a container cannot be reached; the server makes a 400 or 404 of it with this message. */
export class PodAccessError extends Error {
  override readonly name = 'PodAccessError';
  readonly kind: 'podNotFound' | 'containerNotFound' | 'containerNotReady';

  constructor(kind: PodAccessError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface PodAccess {
  /** Every pod of this node with its newest status, static ones too. Read-only. */
  pods(): readonly Pod[];
  /** Undefined if this node has no such pod. With `uid`, only that incarnation. */
  pod(namespace: string, name: string, uid?: string): Pod | undefined;
  /** What runs in the runtime, pods that the API forgot too. */
  runningPods(): readonly PodView[];

  /**
   * The id for exec and attach; the container runs.
   * @throws PodAccessError
   */
  runningContainer(namespace: string, name: string, container: string, uid?: string): ContainerAccess;
  /**
   * The id of the sandbox, for port-forward; it is ready.
   * @throws PodAccessError
   */
  runningSandbox(namespace: string, name: string, uid?: string): string;

  /**
   * Absolute path of a container's log (CRI format; rotated ones beside it as `N.log.YYYYMMDD-HHMMSS[.gz]`).
   * Without `container`, the pod's only one.
   *
   * @param previous the attempt before the newest
   * @throws PodAccessError with upstream's texts (`container "x" in pod "y" is waiting to start: ContainerCreating`)
   */
  containerLogPath(
    namespace: string,
    name: string,
    container: string | undefined,
    previous: boolean,
    uid?: string,
  ): ContainerLogAccess;

  /**
   * Calls `onChange` after each change of the pod's containers (so that `logs -f` knows when to stop). The returned function
   * ends it.
   */
  watchPod(podUid: string, onChange: () => void): () => void;
  /** The newest view of a pod's containers; undefined when nothing of it is left. */
  view(podUid: string): PodView | undefined;
}

/** Where a log is, and whose. */
export interface ContainerLogAccess {
  readonly pod: Pod;
  readonly container: ContainerView;
  readonly path: string;
}
