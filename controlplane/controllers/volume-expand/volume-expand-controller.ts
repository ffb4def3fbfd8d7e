/**
 * Tells of claims that ask for more than they have whom they wait for: volumes of CSI drivers grow by their external-resizers, and no others
 * grow here. Source: kubernetes `pkg/controller/volume/expand`.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
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

  reconcile(key: string): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    const volume = this.volumes.lister.get(undefined, claim?.spec.volumeName ?? '');
    if (claim !== undefined && volume !== undefined && wantsMore(claim)) {
      const { type, message } = planGrowth(volume);
      this.context.events.event(subjectOf(persistentVolumeClaims, claim), type, 'ExternalExpanding', message);
    }
    return Promise.resolve('awaitChange');
  }
}
