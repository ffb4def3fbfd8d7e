/**
 * Keeps claims that pods use: a finalizer holds them until the last of those pods is gone.
 *
 * Keys: `NAMESPACE/NAME` of claims.
 */
import type { PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isDeleting, keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeObject } from '../runtime/write-object.ts';
import { protectedMetadata } from '../runtime/plan/protected-metadata.ts';
import { CLAIM_FINALIZER, holdsClaims } from './plan.ts';

export class ClaimProtectionController implements Controller, Reconciler {
  readonly name = 'pvc-protection-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.pods = context.informers.informer(pods);
    const onClaim = (claim: PersistentVolumeClaim): void => {
      if (isDeleting(claim) || !(claim.metadata.finalizers ?? []).includes(CLAIM_FINALIZER))
        this.queue.add(keyOf(claim));
    };
    const letGo = (pod: Pod): void => {
      for (const name of claimNamesOf(pod)) {
        const claim = this.claims.lister.get(pod.metadata.namespace, name);
        if (claim !== undefined && isDeleting(claim)) this.queue.add(keyOf(claim));
      }
    };
    this.claims.addHandler({ onAdd: onClaim, onUpdate: (_older, claim) => onClaim(claim) });
    this.pods.addHandler({ onUpdate: (_older, pod) => !holdsClaims(pod) && letGo(pod), onDelete: letGo });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.claims, this.pods];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 1 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    if (claim === undefined) return 'awaitChange';
    const isInUse = isDeleting(claim) && (await this.isInUse(claim, signal));
    const metadata = protectedMetadata(claim.metadata, CLAIM_FINALIZER, isInUse);
    if (metadata === undefined) return 'awaitChange';
    await writeObject(this.context.client, persistentVolumeClaims, { ...claim, metadata }, signal);
    return 'awaitChange';
  }

  /** Letting go cannot be taken back: the API itself is asked before. */
  private async isInUse(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<boolean> {
    const { namespace, name = '' } = claim.metadata;
    const uses = (pod: Pod): boolean => holdsClaims(pod) && claimNamesOf(pod).includes(name);
    if (this.pods.lister.list(namespace).some(uses)) return true;
    const { items } = await this.context.client.of(pods).list({ namespace, signal });
    return items.some(uses);
  }
}
