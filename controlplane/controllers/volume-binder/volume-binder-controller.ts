/**
 * Binds PersistentVolumeClaims to PersistentVolumes, and says of both how they stand.
 *
 * Keys: `claim/NAMESPACE/NAME` and `volume/NAME`. Several claims are looked at side by side: of two that choose the same volume the API lets
 * one have it, since each writes the volume as it saw it.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import {
  claimsByVolume,
  freeVolumesByClass,
  podsByClaim,
  volumesByClaim,
  type Lookup,
} from '../../../machinery/client/shared-indexes.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { persistentVolumeClaims, persistentVolumes, pods, storageClasses } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { defaultStorageClass, isDefaultClass } from '../../../machinery/meta/default-storage-class.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isDeleting, keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { STORAGE_PROVISIONER } from '../../../machinery/meta/volume-annotations.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeObject, writeStatus } from '../runtime/write-object.ts';
import {
  boundClaim,
  boundClaimStatus,
  boundVolume,
  planClaim,
  planVolume,
  unboundClaimStatus,
  unboundVolume,
  type ClaimPlan,
  type Told,
} from './plan.ts';
import { volumeMetrics } from './volume-metrics.ts';

const CLAIM = 'claim/';
const VOLUME = 'volume/';
/** Claims without a volume by their class. */
const UNBOUND_BY_CLASS = 'unboundByClass';

export class VolumeBinderController implements Controller, Reconciler {
  readonly name = 'persistentvolume-binder';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly classes: Informer<StorageClass>;
  private readonly pods: Informer<Pod>;
  private readonly usersOf: Lookup<Pod>;
  private readonly claimsOf: Lookup<PersistentVolumeClaim>;
  private readonly volumesOf: Lookup<PersistentVolume>;
  private readonly freeOf: Lookup<PersistentVolume>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.volumes = context.informers.informer(persistentVolumes);
    this.classes = context.informers.informer(storageClasses);
    this.pods = context.informers.informer(pods);
    this.usersOf = podsByClaim(this.pods);
    this.claims.addIndex(UNBOUND_BY_CLASS, claim =>
      (claim.spec.volumeName ?? '') === '' ? [storageClassOf(claim)] : [],
    );
    this.claimsOf = claimsByVolume(this.claims);
    this.volumesOf = volumesByClaim(this.volumes);
    this.freeOf = freeVolumesByClass(this.volumes);
    if (context.metrics !== undefined)
      volumeMetrics(context.metrics, { claims: this.claims.lister, volumes: this.volumes.lister });
    this.watch();
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.claims, this.volumes, this.classes, this.pods];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
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
    const plan = this.planFor(claim);
    switch (plan.kind) {
      case 'bind':
        await this.bind(claim, plan.volume, signal);
        return;
      case 'classify': {
        const { storageClassName } = plan;
        const spec = { ...claim.spec, storageClassName };
        await writeObject(this.context.client, persistentVolumeClaims, { ...claim, spec }, signal);
        return;
      }
      case 'lost':
        if (claim.status?.phase !== 'Lost') this.tell(claim, plan.told);
        await this.setStatus(claim, unboundClaimStatus(claim, 'Lost'), signal);
        return;
      case 'wait':
        await this.wait(claim, plan, signal);
    }
  }

  private planFor(claim: PersistentVolumeClaim): ClaimPlan {
    const className = storageClassOf(claim);
    const { volumeName = '' } = claim.spec;
    const named = volumeName === '' ? undefined : this.volumes.lister.get(undefined, volumeName);
    const reserved = this.volumesOf(keyOf(claim));
    const free = volumeName === '' ? this.freeOf(className) : [];
    const waitingPods = this.usersOf(keyOf(claim))
      .filter(({ spec }) => (spec.nodeName ?? '') === '')
      .map(({ metadata }) => metadata.name ?? '')
      .sort();
    return planClaim({
      claim,
      volumes: [...(named === undefined ? [] : [named]), ...reserved, ...free],
      storageClass: this.classes.lister.get(undefined, className),
      defaultClassName: defaultStorageClass(this.classes.lister.list())?.metadata.name,
      waitingPods,
    });
  }

  private async bind(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const client = this.context.client;
    const named = boundVolume(volume, claim);
    if (named !== volume) await client.of(persistentVolumes).update(named, { signal });
    // A volume that is written as it was seen is there still; of another the API itself says so.
    else if ((claim.spec.volumeName ?? '') === '' && (await this.isGoing(volume, signal))) return;
    const wanted = boundClaim(claim, volume);
    let written = claim;
    if (wanted !== claim) {
      try {
        written = await client.of(persistentVolumeClaims).update(wanted, { signal });
      } catch (error) {
        // It is gone: its volume is released by and by.
        if (isNotFound(error)) return;
        throw error;
      }
    }
    await this.setStatus(written, boundClaimStatus(written, volume), signal);
  }

  private async isGoing({ metadata }: PersistentVolume, signal: AbortSignal): Promise<boolean> {
    try {
      return isDeleting(await this.context.client.of(persistentVolumes).get({ name: metadata.name ?? '' }, signal));
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  private async wait(
    claim: PersistentVolumeClaim,
    { told, provisioner }: Extract<ClaimPlan, { kind: 'wait' }>,
    signal: AbortSignal,
  ): Promise<void> {
    if (told !== undefined) this.tell(claim, told);
    const { annotations } = claim.metadata;
    if (provisioner !== undefined && annotations?.[STORAGE_PROVISIONER] !== provisioner) {
      // Both names: provisioners of any age find theirs.
      const asked = {
        ...annotations,
        [STORAGE_PROVISIONER]: provisioner,
        'volume.beta.kubernetes.io/storage-provisioner': provisioner,
      };
      const metadata = { ...claim.metadata, annotations: asked };
      await writeObject(this.context.client, persistentVolumeClaims, { ...claim, metadata }, signal);
    } else await this.setStatus(claim, unboundClaimStatus(claim, 'Pending'), signal);
  }

  private async reconcileVolume(name: string, signal: AbortSignal): Promise<void> {
    const volume = this.volumes.lister.get(undefined, name);
    if (volume === undefined) return;
    const { client, events } = this.context;
    const plan = planVolume(volume, await this.claimOf(volume, signal));
    if (plan.kind === 'unbind') {
      await writeObject(client, persistentVolumes, unboundVolume(volume), signal);
      return;
    }
    const message = plan.told?.message;
    const isSame = plan.kind === 'phase' && volume.status?.phase === plan.phase && volume.status?.message === message;
    if (isSame) return;
    if (plan.told !== undefined)
      events.event(subjectOf(persistentVolumes, volume), plan.told.type, plan.told.reason, plan.told.message);
    if (plan.kind === 'wait') return;
    const { message: _, ...status } = volume.status ?? {};
    const next = { ...status, phase: plan.phase, ...(message === undefined ? {} : { message }) };
    await writeStatus(client, persistentVolumes, { ...volume, status: next }, signal);
  }

  /** A claim is believed to be gone when the API says so: its volume may be given away then. */
  private async claimOf(volume: PersistentVolume, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined> {
    const { claimRef } = volume.spec;
    if (claimRef === undefined || (claimRef.uid ?? '') === '') return undefined;
    const { namespace, name = '' } = claimRef;
    const known = this.claims.lister.get(namespace, name);
    if (known?.metadata.uid === claimRef.uid) return known;
    // Asked once: what has been released does not come back.
    const wasReleased = volume.status?.phase === 'Released' || volume.status?.phase === 'Failed';
    if (wasReleased) return undefined;
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
    await writeStatus(this.context.client, persistentVolumeClaims, { ...claim, status }, signal);
  }

  private tell(claim: PersistentVolumeClaim, { type, reason, message }: Told): void {
    this.context.events.event(subjectOf(persistentVolumeClaims, claim), type, reason, message);
  }

  private watch(): void {
    const onClaim = (claim: PersistentVolumeClaim): void => {
      this.queue.add(CLAIM + keyOf(claim));
      for (const volume of this.volumesOf(keyOf(claim))) this.queue.add(VOLUME + keyOf(volume));
    };
    const onVolume = (volume: PersistentVolume): void => {
      this.queue.add(VOLUME + keyOf(volume));
      const { claimRef } = volume.spec;
      if (claimRef !== undefined) this.queue.add(`${CLAIM}${claimRef.namespace}/${claimRef.name}`);
      else if (volume.status?.phase === 'Available') this.wakeUnbound(storageClassOf(volume));
      const { name = '' } = volume.metadata;
      for (const claim of this.claimsOf(name)) this.queue.add(CLAIM + keyOf(claim));
    };
    const onClass = (storageClass: StorageClass): void => {
      this.wakeUnbound(storageClass.metadata.name ?? '');
      if (isDefaultClass(storageClass)) this.wakeUnbound('');
    };
    this.claims.addHandler({ onAdd: onClaim, onUpdate: (_older, claim) => onClaim(claim), onDelete: onClaim });
    this.volumes.addHandler({ onAdd: onVolume, onUpdate: (_older, volume) => onVolume(volume), onDelete: onVolume });
    this.classes.addHandler({ onAdd: onClass, onUpdate: (_older, newer) => onClass(newer) });
  }

  private wakeUnbound(className: string): void {
    for (const claim of this.claims.lister.byIndex(UNBOUND_BY_CLASS, className)) this.queue.add(CLAIM + keyOf(claim));
  }
}
