/**
 * Claims that ask for more than they have: volumes of CSI drivers grow by their external-resizers, as the claims are told; those of the
 * local-path provisioner here. Source: kubernetes `pkg/controller/volume/expand`.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeStatus } from '../runtime/write-object.ts';
import { planGrowth, wantsMore } from './plan.ts';

export class VolumeExpandController implements Controller, Reconciler {
  readonly name = 'expand-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.volumes = context.informers.informer(persistentVolumes);
    const onClaim = (claim: PersistentVolumeClaim): void => {
      if (wantsMore(claim)) this.queue.add(keyOf(claim));
    };
    this.claims.addHandler({
      onAdd: onClaim,
      onUpdate: (older, claim) => {
        const request = (c: PersistentVolumeClaim) => c.spec.resources?.requests?.storage;
        if (request(older) !== request(claim)) onClaim(claim);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.claims, this.volumes];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 1 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    const volume = this.volumes.lister.get(undefined, claim?.spec.volumeName ?? '');
    if (claim === undefined || volume === undefined) return 'awaitChange';
    const plan = planGrowth(claim, volume);
    const { client, events } = this.context;
    const subject = subjectOf(persistentVolumeClaims, claim);
    if (plan.kind === 'external') events.event(subject, plan.type, 'ExternalExpanding', plan.message);
    if (plan.kind !== 'grow') return 'awaitChange';
    if (plan.volume !== undefined) await client.of(persistentVolumes).update(plan.volume, { signal });
    const isThere = await writeStatus(client, persistentVolumeClaims, { ...claim, status: plan.status }, signal);
    if (isThere) events.event(subject, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded');
    return 'awaitChange';
  }
}
