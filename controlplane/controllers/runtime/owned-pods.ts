/**
 * The pods of a controller's owners: who is woken by which pod, which pods an owner has, adopts and lets go. Every controller that makes pods
 * has one of these, and makes and deletes them through its `control`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { pods, type AnyObject } from '../../../machinery/client/resource.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, keyOf, objectKey } from '../../../machinery/meta/object.ts';
import { addOwnerIndexes, BY_CONTROLLER, claimChildren } from './child-claims.ts';
import type { ControllerContext } from './controller.ts';
import { PodControl, type PodTexts } from './pod-control.ts';

export interface OwnedPodsOptions<T extends AnyObject> {
  context: ControllerContext;
  queue: WorkQueue;
  owners: Informer<T>;
  selectorOf(owner: T): LabelSelector;
  /** Whether a pod that the selector matches may be the owner's; default always. */
  isMember?: ((owner: T, pod: Pod) => boolean) | undefined;
  /** Whether an orphan that may be the owner's is adopted; default always. */
  mayAdopt?: ((pod: Pod) => boolean) | undefined;
  /** What events say of pods; default as ReplicaSets do. */
  texts?: PodTexts | undefined;
}

export class OwnedPods<T extends AnyObject> {
  readonly informer: Informer<Pod>;
  readonly control: PodControl<T>;
  private readonly options: OwnedPodsOptions<T>;
  private readonly selectors = new WeakMap<T, LabelSelector>();

  constructor(options: OwnedPodsOptions<T>) {
    const { context, owners, queue } = options;
    this.options = options;
    this.informer = context.informers.informer(pods);
    addOwnerIndexes(this.informer);
    this.control = new PodControl({ ...options, resource: owners.resource, pods: this.informer });
    this.informer.addHandler({
      onAdd: pod => this.onPod(pod, false),
      onUpdate: (older, pod) => {
        if (controllerOf(older)?.uid !== controllerOf(pod)?.uid) this.onPod(older, true);
        this.onPod(pod, false);
      },
      onDelete: pod => this.onPod(pod, true),
    });
    owners.addHandler({
      onAdd: owner => queue.add(keyOf(owner)),
      onUpdate: (_older, owner) => queue.add(keyOf(owner)),
      onDelete: owner => {
        this.control.pending.forget(owner.metadata.uid ?? '');
        queue.add(keyOf(owner));
      },
    });
  }

  /** The owner's pods after adoptions and releases. @throws StatusError */
  async claim(owner: T, signal: AbortSignal): Promise<Pod[]> {
    const { context, owners, mayAdopt } = this.options;
    const { control, informer } = this;
    await control.review(owner, signal);
    const claim = { client: context.client, owner, ownerResource: owners.resource, informer, signal };
    const { adopted, released } = await claimChildren({ ...claim, isMember: this.membership(owner), mayAdopt });
    for (const pod of adopted) control.noteAdded(owner, pod);
    for (const pod of released) control.noteReleased(owner, pod);
    return this.of(owner);
  }

  /** The owner's pods as the informer and this controller's own writes show them. */
  of(owner: T): Pod[] {
    const uid = owner.metadata.uid ?? '';
    const listed = this.informer.lister.byIndex(BY_CONTROLLER, uid).filter(this.membership(owner));
    return this.control.pending.overlay(uid, listed);
  }

  /** Whether the informer has yet to show what this controller wrote for the owner. */
  isBehind(owner: T): boolean {
    return this.control.pending.has(owner.metadata.uid ?? '');
  }

  private membership(owner: T): (pod: Pod) => boolean {
    const { selectorOf, isMember } = this.options;
    // Objects of informers never change: another version is another object.
    let selector = this.selectors.get(owner);
    if (selector === undefined) this.selectors.set(owner, (selector = selectorOf(owner)));
    return pod => selector.matches(pod.metadata.labels) && isMember?.(owner, pod) !== false;
  }

  private onPod(pod: Pod, gone: boolean): void {
    const { owners, queue } = this.options;
    const owner = controllerOf(pod);
    if (owner === undefined) {
      if (!gone && pod.metadata.deletionTimestamp === undefined) this.wakeMatching(pod);
    } else if (owner.kind === owners.resource.kind) {
      this.control.pending.seen(owner.uid, pod, gone);
      queue.add(objectKey(pod.metadata.namespace ?? '', owner.name));
    }
  }

  /** Everybody who could adopt an orphan. */
  private wakeMatching(pod: Pod): void {
    const { owners, queue } = this.options;
    for (const owner of owners.lister.list(pod.metadata.namespace)) {
      if (this.membership(owner)(pod)) queue.add(keyOf(owner));
    }
  }
}
