/**
 * Makes the claims of a StatefulSet's pods, and gives them the owners that the retention policy says.
 */
import type { StatefulSet } from '../../../proto/api/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { persistentVolumeClaims, statefulSets } from '../../../machinery/client/resource.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { isDeleting, keyOf } from '../../../machinery/meta/object.ts';
import { isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import type { ControllerContext } from '../runtime/controller.ts';
import { writeObject } from '../runtime/write-object.ts';
import { claimOwners, claimsOf, isStaleClaim } from './plan/claims.ts';
import { ordinalOf, podName } from './plan/identity.ts';
import { sortPods, type StatefulView } from './plan/stateful-plan.ts';

export class StatefulClaims {
  readonly informer: Informer<PersistentVolumeClaim>;
  private readonly context: ControllerContext;

  constructor(context: ControllerContext, sets: Informer<StatefulSet>, queue: WorkQueue) {
    this.context = context;
    this.informer = context.informers.informer(persistentVolumeClaims);
    // A claim that goes may be what a pod waits for.
    this.informer.addHandler({
      onDelete: ({ metadata }) => {
        for (const set of sets.lister.list(metadata.namespace))
          if (isClaimOf(set, metadata.name ?? '')) queue.add(keyOf(set));
      },
    });
  }

  /** Makes what is missing of the claims of a pod. @returns false if the pod has to wait for one that is going @throws StatusError */
  async ensure(set: StatefulSet, ordinal: number, pod: Pod | undefined, signal: AbortSignal): Promise<boolean> {
    const name = podName(set, ordinal);
    for (const claim of claimsOf(set, ordinal)) {
      const there = this.informer.lister.get(claim.metadata.namespace, claim.metadata.name ?? '');
      if (there === undefined) await this.create(set, name, claim, signal);
      else if (pod === undefined && (isDeleting(there) || isStaleClaim(set, there, name, undefined))) return false;
    }
    return true;
  }

  /** Gives claims their owners, before a pod goes that they should go with. @throws StatusError */
  async settleOwners(view: StatefulView, signal: AbortSignal): Promise<void> {
    const { set } = view;
    if ((set.spec.volumeClaimTemplates ?? []).length === 0) return;
    const { wanted, condemned } = sortPods(view);
    for (const { ordinal, pod } of wanted) await this.settle(set, ordinal, pod, false, signal);
    for (const pod of condemned) await this.settle(set, ordinalOf(set, pod), pod, true, signal);
  }

  private async settle(
    set: StatefulSet,
    ordinal: number,
    pod: Pod | undefined,
    isCondemned: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { metadata } of claimsOf(set, ordinal)) {
      const claim = this.informer.lister.get(metadata.namespace, metadata.name ?? '');
      if (claim === undefined || isDeleting(claim)) continue;
      if (isStaleClaim(set, claim, podName(set, ordinal), pod?.metadata.uid)) continue;
      const before = claim.metadata.ownerReferences ?? [];
      const owners = claimOwners(set, pod, isCondemned, before);
      if (owners === before) continue;
      const next = { ...claim, metadata: { ...claim.metadata, ownerReferences: [...owners] } };
      await writeObject(this.context.client, persistentVolumeClaims, next, signal);
    }
  }

  private async create(
    set: StatefulSet,
    pod: string,
    claim: PersistentVolumeClaim,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, events } = this.context;
    const { name } = claim.metadata;
    const subject = subjectOf(statefulSets, set);
    const owners = claimOwners(set, undefined, false, []);
    const metadata = owners.length === 0 ? claim.metadata : { ...claim.metadata, ownerReferences: [...owners] };
    try {
      await client.of(persistentVolumeClaims).create({ ...claim, metadata }, { signal });
      const text = `create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`;
      events.event(subject, 'Normal', 'SuccessfulCreate', text);
    } catch (error) {
      if (isAlreadyExists(error)) return;
      if (!signal.aborted) {
        const text = `create Claim ${name} for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${errorText(error)}`;
        events.event(subject, 'Warning', 'FailedCreate', text);
      }
      throw error;
    }
  }
}

function isClaimOf(set: StatefulSet, claim: string): boolean {
  const middle = `-${set.metadata.name}-`;
  return (set.spec.volumeClaimTemplates ?? []).some(({ metadata }) => claim.startsWith(`${metadata.name}${middle}`));
}
