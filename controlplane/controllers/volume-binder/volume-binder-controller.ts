/**
 * Binds PersistentVolumeClaims to PersistentVolumes, and says of both how they stand.
 *
 * Keys: `claim/NAMESPACE/NAME` and `volume/NAME`.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, persistentVolumes, storageClasses } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isDeleting, keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import {
  boundClaim,
  boundClaimStatus,
  boundVolume,
  planClaim,
  planVolume,
  STORAGE_PROVISIONER,
  unboundVolume,
  type ClaimPlan,
} from './plan.ts';

const CLAIM = 'claim/';
const VOLUME = 'volume/';

export class VolumeBinderController implements Controller, Reconciler {
  readonly name = 'persistentvolume-binder';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly classes: Informer<StorageClass>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.volumes = context.informers.informer(persistentVolumes);
    this.classes = context.informers.informer(storageClasses);
    const onClaim = (claim: PersistentVolumeClaim): void => {
      this.queue.add(CLAIM + keyOf(claim));
      for (const volume of this.volumes.lister.list()) {
        const { claimRef } = volume.spec;
        if (claimRef?.name === claim.metadata.name && claimRef?.namespace === claim.metadata.namespace) {
          this.queue.add(VOLUME + keyOf(volume));
        }
      }
    };
    const onVolume = (volume: PersistentVolume): void => {
      this.queue.add(VOLUME + keyOf(volume));
      const { claimRef } = volume.spec;
      if (claimRef !== undefined) this.queue.add(`${CLAIM}${claimRef.namespace}/${claimRef.name}`);
      else this.wakeUnbound();
    };
    this.claims.addHandler({ onAdd: onClaim, onUpdate: (_older, claim) => onClaim(claim), onDelete: onClaim });
    this.volumes.addHandler({ onAdd: onVolume, onUpdate: (_older, volume) => onVolume(volume), onDelete: onVolume });
    this.classes.addHandler({ onAdd: () => this.wakeUnbound(), onUpdate: () => this.wakeUnbound() });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.claims, this.volumes, this.classes];
    // One at a time: two claims must not choose the same volume.
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 1 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (key.startsWith(CLAIM)) await this.reconcileClaim(key.slice(CLAIM.length), signal);
    else await this.reconcileVolume(key.slice(VOLUME.length), signal);
    return 'awaitChange';
  }

  private async reconcileClaim(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    if (claim === undefined || isDeleting(claim)) return;
    const storageClass = this.classes.lister.get(undefined, storageClassOf(claim));
    const plan = planClaim({ claim, volumes: this.volumes.lister.list(), storageClass });
    switch (plan.kind) {
      case 'bind':
        await this.bind(claim, plan.volume, signal);
        return;
      case 'lost':
        this.tell(claim, plan.told);
        if (claim.status?.phase !== 'Lost') await this.setStatus(claim, { ...claim.status, phase: 'Lost' }, signal);
        return;
      case 'wait':
        await this.wait(claim, plan, signal);
    }
  }

  private async bind(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const client = this.context.client;
    const named = boundVolume(volume, claim);
    if (named !== volume) await client.of(persistentVolumes).update(named, { signal });
    const wanted = boundClaim(claim, volume);
    const written = wanted === claim ? claim : await client.of(persistentVolumeClaims).update(wanted, { signal });
    await this.setStatus(written, boundClaimStatus(written, volume), signal);
  }

  private async wait(
    claim: PersistentVolumeClaim,
    { told, provisioner }: Extract<ClaimPlan, { kind: 'wait' }>,
    signal: AbortSignal,
  ): Promise<void> {
    this.tell(claim, told);
    const { annotations } = claim.metadata;
    if (provisioner !== undefined && annotations?.[STORAGE_PROVISIONER] !== provisioner) {
      // Both names: provisioners of any age find theirs.
      const asked = {
        ...annotations,
        [STORAGE_PROVISIONER]: provisioner,
        'volume.beta.kubernetes.io/storage-provisioner': provisioner,
      };
      const metadata = { ...claim.metadata, annotations: asked };
      await this.context.client.of(persistentVolumeClaims).update({ ...claim, metadata }, { signal });
    } else if (claim.status?.phase !== 'Pending') {
      await this.setStatus(claim, { ...claim.status, phase: 'Pending' }, signal);
    }
  }

  private async reconcileVolume(name: string, signal: AbortSignal): Promise<void> {
    const volume = this.volumes.lister.get(undefined, name);
    if (volume === undefined) return;
    const client = this.context.client.of(persistentVolumes);
    const plan = planVolume(volume, await this.claimOf(volume, signal));
    if (plan.kind === 'unbind') {
      await client.update(unboundVolume(volume), { signal });
      return;
    }
    if (volume.status?.phase === plan.phase) return;
    if (plan.told !== undefined) {
      const { type, reason, message } = plan.told;
      this.context.events.event(subjectOf(persistentVolumes, volume), type, reason, message);
    }
    const status = { phase: plan.phase, ...(plan.told === undefined ? {} : { message: plan.told.message }) };
    await client.updateStatus({ ...volume, status: { ...volume.status, ...status } }, { signal });
  }

  /** A claim is believed to be gone when the API says so: its volume may be given away then. */
  private async claimOf(volume: PersistentVolume, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined> {
    const { claimRef } = volume.spec;
    if (claimRef === undefined || (claimRef.uid ?? '') === '') return undefined;
    const { namespace, name = '' } = claimRef;
    const known = this.claims.lister.get(namespace, name);
    if (known?.metadata.uid === claimRef.uid) return known;
    try {
      return await this.context.client.of(persistentVolumeClaims).get({ namespace, name }, signal);
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  private async setStatus(
    claim: PersistentVolumeClaim,
    status: NonNullable<PersistentVolumeClaim['status']>,
    signal: AbortSignal,
  ): Promise<void> {
    if (jsonEquals(claim.status ?? {}, status)) return;
    await this.context.client.of(persistentVolumeClaims).updateStatus({ ...claim, status }, { signal });
  }

  private tell(
    claim: PersistentVolumeClaim,
    told: { type: 'Normal' | 'Warning'; reason: string; message: string } | undefined,
  ): void {
    if (told === undefined) return;
    this.context.events.event(subjectOf(persistentVolumeClaims, claim), told.type, told.reason, told.message);
  }

  private wakeUnbound(): void {
    for (const claim of this.claims.lister.list()) {
      if ((claim.spec.volumeName ?? '') === '') this.queue.add(CLAIM + keyOf(claim));
    }
  }
}
