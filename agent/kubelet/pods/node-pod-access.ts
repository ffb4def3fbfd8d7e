/** PodAccess over the kubelet's workers and cache. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { findContainer, uidOf } from '../plan/pod-spec.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import { PodAccessError, type ContainerAccess, type ContainerLogAccess, type PodAccess } from '../server/pod-access.ts';
import type { StatusManager } from './status-manager.ts';
import type { PodWorkers } from './pod-workers.ts';

export class NodePodAccess implements PodAccess {
  private readonly workers: PodWorkers;
  private readonly cache: PodCache;
  private readonly status: StatusManager;

  constructor(workers: PodWorkers, cache: PodCache, status: StatusManager) {
    this.workers = workers;
    this.cache = cache;
    this.status = status;
  }

  pods(): readonly Pod[] {
    return this.workers.pods().map(pod => this.withStatus(pod));
  }

  pod(namespace: string, name: string, uid?: string): Pod | undefined {
    const pod = this.workers
      .pods()
      .find(
        p => p.metadata.namespace === namespace && p.metadata.name === name && (uid === undefined || uidOf(p) === uid),
      );
    return pod === undefined ? undefined : this.withStatus(pod);
  }

  runningPods(): readonly PodView[] {
    return this.cache.views().filter(view => view.containers.some(c => c.state === 'running'));
  }

  runningContainer(namespace: string, name: string, container: string, uid?: string): ContainerAccess {
    const pod = this.require(namespace, name, uid);
    const newest = this.attempts(pod, container)[0];
    if (newest === undefined) {
      throw new PodAccessError('containerNotFound', `container not found ("${container}")`);
    }
    if (newest.state !== 'running') {
      throw new PodAccessError('containerNotReady', `container ${container} in pod ${name} is not running`);
    }
    return { pod, container: newest };
  }

  runningSandbox(namespace: string, name: string, uid?: string): string {
    const pod = this.require(namespace, name, uid);
    const sandbox = this.cache.view(uidOf(pod))?.sandboxes[0];
    if (sandbox === undefined || !sandbox.ready) {
      throw new PodAccessError('containerNotReady', `pod ${name}_${namespace} has no running sandbox`);
    }
    return sandbox.id;
  }

  containerLogPath(
    namespace: string,
    name: string,
    container: string | undefined,
    previous: boolean,
    uid?: string,
  ): ContainerLogAccess {
    const pod = this.require(namespace, name, uid);
    const wanted = container ?? (pod.spec.containers.length === 1 ? pod.spec.containers[0]?.name : undefined);
    if (wanted === undefined || findContainer(pod, wanted) === undefined) {
      throw new PodAccessError('containerNotFound', `container "${container ?? ''}" not found in pod "${name}"`);
    }
    const attempts = this.attempts(pod, wanted).filter(view => view.state !== 'created');
    const view = attempts[previous ? 1 : 0];
    if (view !== undefined) return { pod, container: view, path: view.logPath };
    if (previous) {
      throw new PodAccessError(
        'containerNotReady',
        `previous terminated container "${wanted}" in pod "${name}" not found`,
      );
    }
    throw new PodAccessError('containerNotReady', whyNoLog(pod, wanted));
  }

  watchPod(podUid: string, onChange: () => void): () => void {
    return this.cache.onChange(uid => {
      if (uid === podUid) onChange();
    });
  }

  view(podUid: string): PodView | undefined {
    return this.cache.view(podUid);
  }

  private require(namespace: string, name: string, uid?: string): Pod {
    const pod = this.pod(namespace, name, uid);
    if (pod === undefined) throw new PodAccessError('podNotFound', `pod "${name}" does not exist`);
    return pod;
  }

  private attempts(pod: Pod, container: string): ContainerView[] {
    return (this.cache.view(uidOf(pod))?.containers ?? []).filter(view => view.name === container);
  }

  private withStatus(pod: Pod): Pod {
    const status = this.status.current(pod);
    return status === undefined || status === pod.status ? pod : { ...pod, status };
  }
}

const PULL_FAILURES: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

/** Of a container that never ran here, in upstream's words. */
function whyNoLog(pod: Pod, container: string): string {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    ({ name }) => name === container,
  );
  const what = `container "${container}" in pod "${pod.metadata.name ?? ''}"`;
  if (status === undefined) return `${what} is not available`;
  if (status.state?.terminated !== undefined) return `${what} is terminated`;
  const reason = status.state?.waiting?.reason;
  if (reason === undefined) return `${what} is waiting to start - no logs yet`;
  return `${what} is waiting to start: ${PULL_FAILURES[reason] ?? reason}`;
}
