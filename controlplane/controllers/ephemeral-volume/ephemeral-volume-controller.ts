/**
 * Makes the claims of pods' `ephemeral` volumes. The pod owns them, so that they go with it.
 *
 * Keys: `NAMESPACE/NAME` of pods. Source: KEP-1698; kubernetes `pkg/controller/volume/ephemeral/controller.go`.
 */
import type { PersistentVolumeClaim, Pod, Volume } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, pods } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { controllerOf, controllerRef, isDeleting, keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';

export class EphemeralVolumeController implements Controller, Reconciler {
  readonly name = 'ephemeral-volume-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly pods: Informer<Pod>;
  private readonly claims: Informer<PersistentVolumeClaim>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.pods = context.informers.informer(pods);
    this.claims = context.informers.informer(persistentVolumeClaims);
    // A pod's volumes never change.
    this.pods.addHandler({ onAdd: pod => hasEphemeral(pod) && this.queue.add(keyOf(pod)) });
    this.claims.addHandler({
      onDelete: ({ metadata }) => {
        for (const { kind, name } of metadata.ownerReferences ?? [])
          if (kind === 'Pod') this.queue.add(objectKey(metadata.namespace, name));
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.pods, this.claims] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const pod = this.pods.lister.get(namespace, name);
    if (pod === undefined || isDeleting(pod)) return 'awaitChange';
    for (const volume of pod.spec.volumes ?? []) {
      if (volume.ephemeral === undefined) continue;
      try {
        await this.make(pod, volume, signal);
      } catch (error) {
        signal.throwIfAborted();
        const why = errorText(error);
        const message = `ephemeral volume ${volume.name}: ${why}`;
        this.context.events.event(subjectOf(pods, pod), 'Warning', 'FailedBinding', message);
        throw error;
      }
    }
    return 'awaitChange';
  }

  private async make(pod: Pod, volume: Volume, signal: AbortSignal): Promise<void> {
    const claim = claimFor(pod, volume);
    if (claim === undefined) return;
    const known = this.claims.lister.get(claim.metadata.namespace, claim.metadata.name ?? '');
    if (known === undefined) {
      await ensure(this.context.client, persistentVolumeClaims, claim, signal);
      return;
    }
    if (controllerOf(known)?.uid === pod.metadata.uid) return;
    throw new Error(`PVC ${keyOf(known)} was not created for pod ${keyOf(pod)} (pod is not owner)`);
  }
}

function hasEphemeral({ spec }: Pod): boolean {
  return (spec.volumes ?? []).some(({ ephemeral }) => ephemeral !== undefined);
}

/** Undefined where the volume has no template, which validation does not let through. */
function claimFor(owner: Pod, { name, ephemeral }: Volume): PersistentVolumeClaim | undefined {
  const template = ephemeral?.volumeClaimTemplate;
  if (template === undefined) return undefined;
  const { metadata: pod } = owner;
  const { labels, annotations } = template.metadata ?? {};
  return {
    metadata: {
      namespace: pod.namespace,
      name: `${pod.name ?? ''}-${name}`,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerRef(owner, { group: '', version: 'v1', kind: 'Pod' })],
    },
    spec: template.spec,
  };
}
