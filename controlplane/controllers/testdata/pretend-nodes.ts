/**
 * What the rest of a cluster does for pods while controllers are tried: a node takes each, starts it, says that it is ready, lets it go when it
 * is deleted; what has lost its owner is collected.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { pods, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { controllerOf, isDeleting } from '../../../machinery/meta/object.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';

/** Pods of this image start and never become ready. */
export const BROKEN_IMAGE = 'broken';

export type PodPhase = 'Pending' | 'Running' | 'Failed' | 'Succeeded';

export class PretendNodes {
  private readonly client: Client;
  private readonly clock: Clock;
  /** Kinds of owners: what belonged to one that is gone is collected. */
  private readonly owners: readonly Resource<AnyObject>[];
  /** Kinds that are collected beside pods. */
  private readonly collected: readonly Resource<AnyObject>[];
  private next = 0;

  constructor(
    client: Client,
    clock: Clock,
    owners: readonly Resource<AnyObject>[],
    collected: readonly Resource<AnyObject>[],
  ) {
    this.collected = collected;
    this.client = client;
    this.clock = clock;
    this.owners = owners;
  }

  /** Everything that is due for pods, once. @returns whether there was anything */
  async step(nodeNames: readonly string[]): Promise<boolean> {
    const { items } = await this.client.of(pods).list({ resourceVersion: '' });
    const living = new Set(items.map(({ metadata }) => metadata.uid ?? ''));
    for (const resource of this.owners)
      for (const { metadata } of (await this.client.of(resource).list({ resourceVersion: '' })).items)
        living.add(metadata.uid ?? '');
    let moved = false;
    for (const pod of items) moved = (await this.serve(pod, nodeNames, living)) || moved;
    for (const resource of this.collected)
      for (const object of (await this.client.of(resource).list({ resourceVersion: '' })).items)
        moved = (await this.collect(resource, object, living)) || moved;
    return moved;
  }

  /** @returns whether the object went: all its owners are gone, or it was to go and nothing else takes its finalizers off */
  private async collect(resource: Resource<AnyObject>, object: AnyObject, living: ReadonlySet<string>): Promise<boolean> {
    const { namespace, name = '', uid, finalizers = [], ownerReferences = [] } = object.metadata;
    const isLost = ownerReferences.length > 0 && !ownerReferences.some(owner => living.has(owner.uid));
    if (!isLost && !isDeleting(object)) return false;
    const client = this.client.of(resource);
    if (finalizers.length > 0) await done(client.patch({ namespace, name }, { metadata: { finalizers: null } }, { type: 'merge' }));
    return (await done(client.delete({ namespace, name }, { preconditions: { uid } }))) || finalizers.length > 0;
  }

  private async serve(pod: Pod, nodeNames: readonly string[], living: ReadonlySet<string>): Promise<boolean> {
    if (isDeleting(pod)) {
      // What waits for somebody has been stopped all the same, and its kubelet says so.
      if ((pod.metadata.finalizers ?? []).length > 0) return isPodTerminal(pod) ? false : this.tell(pod, 'Failed', false);
      await this.remove(pod);
      return true;
    }
    const owner = controllerOf(pod);
    if (owner !== undefined && this.owners.length > 0 && !living.has(owner.uid)) {
      await this.remove(pod);
      return true;
    }
    if ((pod.spec.nodeName ?? '') === '') return this.bind(pod, nodeNames);
    const phase = pod.status?.phase;
    if (phase === 'Failed' || phase === 'Succeeded') return false;
    return this.tell(pod, 'Running', pod.spec.containers[0]?.image !== BROKEN_IMAGE);
  }

  /** The pod's status says so. @returns false if it said so before, or the pod is gone */
  async tell(pod: Pod, phase: PodPhase, ready: boolean, reason?: string): Promise<boolean> {
    const { metadata } = pod;
    const status = ready ? 'True' : 'False';
    const old = pod.status?.conditions?.find(c => c.type === 'Ready');
    if (pod.status?.phase === phase && old?.status === status) return false;
    const lastTransitionTime = formatTime(this.clock.now());
    const conditions = [{ type: 'Ready', status, lastTransitionTime }];
    const ref = { namespace: metadata.namespace, name: metadata.name ?? '' };
    const patch = { metadata: { uid: metadata.uid }, status: { phase, conditions, ...(reason === undefined ? {} : { reason }) } };
    return done(this.client.of(pods).patch(ref, patch, { type: 'merge', subresource: 'status' }));
  }

  /** @returns false if there is no node for it */
  private async bind(pod: Pod, nodeNames: readonly string[]): Promise<boolean> {
    const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
    const wanted = terms?.[0]?.matchFields?.[0]?.values?.[0];
    const name = wanted === undefined ? nodeNames[this.next++ % nodeNames.length] : nodeNames.find(n => n === wanted);
    if (name === undefined) return false;
    const { namespace, name: podName = '', uid } = pod.metadata;
    const binding = { metadata: { name: podName, namespace, uid }, target: { kind: 'Node', name } };
    return done(this.client.of(pods).createSubresource({ namespace, name: podName }, 'binding', binding));
  }

  private async remove(pod: Pod): Promise<boolean> {
    const { namespace, name = '', uid } = pod.metadata;
    return done(this.client.of(pods).delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } }));
  }
}

/** @returns false if the object is gone or another one */
export async function done(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (hasReason(error, 'NotFound', 'Conflict', 'AlreadyExists', 'Invalid')) return false;
    throw error;
  }
}
