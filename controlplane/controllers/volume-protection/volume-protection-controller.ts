/** Keeps persistent volumes that are bound: a finalizer holds them until their claim is gone. Keys: names of volumes. */
import type { PersistentVolume } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isDeleting, keyOf } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeObject } from '../runtime/write-object.ts';
import { protectedMetadata } from '../runtime/plan/protected-metadata.ts';
import { isBound, VOLUME_FINALIZER } from './plan.ts';

export class VolumeProtectionController implements Controller, Reconciler {
  readonly name = 'pv-protection-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly volumes: Informer<PersistentVolume>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.volumes = context.informers.informer(persistentVolumes);
    const onVolume = (volume: PersistentVolume): void => {
      if (isDeleting(volume) || !(volume.metadata.finalizers ?? []).includes(VOLUME_FINALIZER))
        this.queue.add(keyOf(volume));
    };
    this.volumes.addHandler({ onAdd: onVolume, onUpdate: (_older, volume) => onVolume(volume) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.volumes], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const volume = this.volumes.lister.get(undefined, name);
    if (volume === undefined) return 'awaitChange';
    const metadata = protectedMetadata(volume.metadata, VOLUME_FINALIZER, isBound(volume));
    if (metadata === undefined) return 'awaitChange';
    await writeObject(this.context.client, persistentVolumes, { ...volume, metadata }, signal);
    return 'awaitChange';
  }
}
