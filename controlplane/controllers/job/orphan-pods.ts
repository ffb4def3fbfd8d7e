/** Pods that wait to be counted by a job that is gone, or that is not theirs any more: nobody else lets them go. */
import type { Job } from '../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { controllerOf, keyOf, splitApiVersion, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { BY_CONTROLLER } from '../runtime/child-claims.ts';
import type { PodTracking } from './pod-tracking.ts';
import { isTracked } from './plan/job-pod.ts';

export interface OrphanPodsOptions {
  readonly client: Client;
  readonly jobs: Informer<Job>;
  readonly pods: Informer<Pod>;
  readonly tracking: PodTracking;
  /** Is told the keys of pods to `release`. */
  wake(key: string): void;
}

export class OrphanPods {
  private readonly options: OrphanPodsOptions;

  constructor(options: OrphanPodsOptions) {
    this.options = options;
    const { jobs: owners, pods } = options;
    const look = (pod: Pod): void => {
      if (isTracked(pod) && this.isOrphan(pod)) options.wake(keyOf(pod));
    };
    pods.addHandler({ onAdd: look, onUpdate: (_older, pod) => look(pod) });
    owners.addHandler({
      onDelete: ({ metadata }) => pods.lister.byIndex(BY_CONTROLLER, metadata.uid ?? '').forEach(look),
    });
  }

  /** @throws StatusError */
  async release(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = this.options.pods.lister.get(namespace, name);
    if (pod === undefined || !isTracked(pod) || !this.isOrphan(pod)) return;
    const owner = controllerOf(pod);
    // The informer of jobs may be behind that of pods.
    if (owner !== undefined && (await this.isThere(namespace, owner, signal))) return;
    await this.options.tracking.release([pod], signal);
  }

  /** What belongs to another kind of controller is that one's own business. */
  private isOrphan(pod: Pod): boolean {
    const owner = controllerOf(pod);
    if (owner === undefined) return true;
    if (owner.kind !== 'Job' || splitApiVersion(owner.apiVersion).group !== 'batch') return false;
    const job = this.options.jobs.lister.get(pod.metadata.namespace, owner.name);
    return job?.metadata.uid !== owner.uid;
  }

  private async isThere(namespace: string, owner: OwnerReference, signal: AbortSignal): Promise<boolean> {
    try {
      const job = await this.options.client.of(jobs).get({ namespace, name: owner.name }, signal);
      return job.metadata.uid === owner.uid;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
