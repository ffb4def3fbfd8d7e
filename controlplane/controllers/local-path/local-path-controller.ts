/**
 * The default provisioner: gives claims of its storage classes a folder on the node of their pod, and has the folder removed with the volume.
 * The nodes make and remove the folders themselves (agent/local-path).
 *
 * Keys: `claim/NAMESPACE/NAME`, `volume/NAME` and `node/NAME`. A cluster without such volumes costs nothing.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { claimsByVolume, type Lookup } from '../../../machinery/client/shared-indexes.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import {
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
} from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import {
  isLocalPathVolume,
  LOCAL_PATH_REMOVE,
  LOCAL_PATH_REMOVED,
  LOCAL_PATH_ROOT,
  localPathVolumeName,
  namesIn,
  namesText,
} from '../../../machinery/meta/local-path.ts';
import { keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { absent, hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { SELECTED_NODE } from '../../../machinery/meta/volume-annotations.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeObject } from '../runtime/write-object.ts';
import { folderRequest, isAsked, nodeNameOf, planProvision, planVolume, without, type VolumePlan } from './plan.ts';

const CLAIM = 'claim/';
const VOLUME = 'volume/';
const NODE = 'node/';
const BY_NODE = 'localPathNode';
const LATER_MS = 500;
/** Plans of volumes whose folder goes. */
const LOSING: readonly VolumePlan['kind'][] = ['removeFolder', 'letGo'];

export class LocalPathController implements Controller, Reconciler {
  readonly name = 'local-path-provisioner';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly claimsOf: Lookup<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly classes: Informer<StorageClass>;
  private readonly nodes: Informer<Node>;
  /** What was last refused, by claim: it is told once. */
  private readonly refused = new Map<string, string>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.volumes = context.informers.informer(persistentVolumes);
    this.classes = context.informers.informer(storageClasses);
    this.nodes = context.informers.informer(nodes);
    this.volumes.addIndex(BY_NODE, volume => (isLocalPathVolume(volume) ? [nodeNameOf(volume)] : []));
    this.claimsOf = claimsByVolume(this.claims);
    this.watch();
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.claims, this.volumes, this.classes, this.nodes];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (key.startsWith(CLAIM)) return this.reconcileClaim(key.slice(CLAIM.length), signal);
    if (key.startsWith(VOLUME)) await this.reconcileVolume(key.slice(VOLUME.length), signal);
    else await this.reconcileNode(key.slice(NODE.length), signal);
    return 'awaitChange';
  }

  private async reconcileClaim(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    if (claim === undefined || !isAsked(claim)) {
      this.refused.delete(key);
      return 'awaitChange';
    }
    const storageClass = this.classes.lister.get(undefined, storageClassOf(claim));
    const node = this.nodes.lister.get(undefined, claim.metadata.annotations?.[SELECTED_NODE] ?? '');
    const volume = this.volumes.lister.get(undefined, localPathVolumeName(claim.metadata.uid ?? ''));
    const plan = planProvision({ claim, storageClass, node, volume });
    switch (plan.kind) {
      case 'none':
        return 'awaitChange';
      case 'later':
        return { afterMs: LATER_MS };
      case 'refuse':
        await this.refuse(claim, plan, signal);
        return 'awaitChange';
      case 'make':
        await this.make(claim, plan.volume, signal);
        return 'awaitChange';
    }
  }

  private async make(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    try {
      await this.context.client.of(persistentVolumes).create(volume, { signal });
    } catch (error) {
      // Made by the process before this one.
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
    this.refused.delete(keyOf(claim));
    this.tell(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`);
  }

  private async refuse(
    claim: PersistentVolumeClaim,
    { why, elsewhere }: { why: string; elsewhere: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const told = `failed to provision volume with StorageClass "${storageClassOf(claim)}": ${why}`;
    if (this.refused.get(keyOf(claim)) !== told || elsewhere) this.tell(claim, 'Warning', 'ProvisioningFailed', told);
    this.refused.set(keyOf(claim), told);
    if (!elsewhere) return;
    const { [SELECTED_NODE]: _, ...annotations } = claim.metadata.annotations ?? {};
    const metadata = { ...claim.metadata, annotations };
    await writeObject(this.context.client, persistentVolumeClaims, { ...claim, metadata }, signal);
  }

  private async reconcileVolume(name: string, signal: AbortSignal): Promise<void> {
    const volume = this.volumes.lister.get(undefined, name);
    if (volume === undefined || !isLocalPathVolume(volume)) return;
    const plan = this.planOf(volume);
    const { client, events } = this.context;
    switch (plan.kind) {
      case 'none':
        return;
      case 'removeFolder':
        this.queue.add(NODE + nodeNameOf(volume));
        return;
      case 'finalizers':
        await this.setFinalizers(volume, plan.finalizers, signal);
        return;
      case 'delete': {
        // Only as it was seen: somebody may have kept or given it away meanwhile.
        const { uid, resourceVersion } = volume.metadata;
        await client
          .of(persistentVolumes)
          .delete({ name }, { preconditions: { uid, resourceVersion }, signal })
          .catch(absent);
        return;
      }
      case 'letGo': {
        if (plan.lost) {
          const where = `node "${nodeNameOf(volume)}" is no more: folder ${volume.spec.local?.path ?? ''} stays on it`;
          events.event(subjectOf(persistentVolumes, volume), 'Warning', 'VolumeFailedDelete', where);
        }
        await this.setFinalizers(volume, without(volume.metadata.finalizers ?? []), signal);
      }
    }
  }

  /** Asks the node for the removal of folders, all in one. */
  private async reconcileNode(name: string, signal: AbortSignal): Promise<void> {
    const node = this.nodes.lister.get(undefined, name);
    if (node === undefined) return;
    const volumes = this.volumes.lister.byIndex(BY_NODE, name);
    const doomed = volumes.filter(volume => LOSING.includes(this.planOf(volume).kind));
    const asked = namesIn(node, LOCAL_PATH_REMOVE);
    const sure: PersistentVolume[] = [];
    for (const volume of doomed)
      if (asked.includes(volume.metadata.name ?? '') || (await this.isSure(volume, node, signal))) sure.push(volume);
    const wanted = folderRequest(sure);
    if (wanted.join() === asked.join()) return;
    const metadata = { annotations: { [LOCAL_PATH_REMOVE]: namesText(wanted) } };
    await this.context.client.of(nodes).patch({ name }, { metadata }, { type: 'merge', signal }).catch(absent);
  }

  /** Whether the folder may go: what is asked for cannot be taken back, so the API itself says so, of the volume and of its claim. */
  private async isSure(
    { metadata: { name = '' } }: PersistentVolume,
    node: Node,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { client } = this.context;
    const volume = await orNothing(client.of(persistentVolumes).get({ name }, signal));
    if (volume === undefined) return false;
    const { namespace, name: claimName = '' } = volume.spec.claimRef ?? {};
    const claim =
      claimName === ''
        ? undefined
        : await orNothing(client.of(persistentVolumeClaims).get({ namespace, name: claimName }, signal));
    const user = claim?.spec.volumeName === name ? claim : undefined;
    return LOSING.includes(planVolume({ volume, claim: user, node }).kind);
  }

  private planOf(volume: PersistentVolume): VolumePlan {
    const { namespace, name = '', uid } = volume.spec.claimRef ?? {};
    const named = this.claims.lister.get(namespace, name);
    const own = named?.metadata.uid === uid ? named : undefined;
    // Who names the volume has it, whatever somebody wrote into the volume itself.
    const [user] = this.claimsOf(volume.metadata.name ?? '');
    const node = this.nodes.lister.get(undefined, nodeNameOf(volume));
    return planVolume({ volume, claim: user ?? own, node });
  }

  private async setFinalizers(volume: PersistentVolume, finalizers: string[], signal: AbortSignal): Promise<void> {
    const metadata = { ...volume.metadata, finalizers };
    await writeObject(this.context.client, persistentVolumes, { ...volume, metadata }, signal);
  }

  private tell(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.events.event(subjectOf(persistentVolumeClaims, claim), type, reason, message);
  }

  private watch(): void {
    const onClaim = (claim: PersistentVolumeClaim): void => {
      if (isAsked(claim)) this.queue.add(CLAIM + keyOf(claim));
      for (const name of [localPathVolumeName(claim.metadata.uid ?? ''), claim.spec.volumeName ?? '']) {
        const volume = this.volumes.lister.get(undefined, name);
        if (volume !== undefined) onVolume(volume);
      }
    };
    const onVolume = (volume: PersistentVolume): void => {
      if (!isLocalPathVolume(volume)) return;
      this.queue.add(VOLUME + keyOf(volume));
      if (volume.metadata.deletionTimestamp !== undefined) this.queue.add(NODE + nodeNameOf(volume));
    };
    this.claims.addHandler({ onAdd: onClaim, onUpdate: (_older, claim) => onClaim(claim), onDelete: onClaim });
    this.volumes.addHandler({
      onAdd: onVolume,
      onUpdate: (_older, volume) => onVolume(volume),
      onDelete: volume => {
        onVolume(volume);
        const { namespace, name = '' } = volume.spec.claimRef ?? {};
        this.queue.add(CLAIM + objectKey(namespace, name));
      },
    });
    const onNode = (node: Node): void => {
      const name = node.metadata.name ?? '';
      this.queue.add(NODE + name);
      for (const volume of this.volumes.lister.byIndex(BY_NODE, name)) onVolume(volume);
    };
    const signs = ({ metadata }: Node): string =>
      [LOCAL_PATH_ROOT, LOCAL_PATH_REMOVE, LOCAL_PATH_REMOVED].map(one => metadata.annotations?.[one] ?? '').join('\n');
    this.nodes.addHandler({
      onAdd: onNode,
      onUpdate: (older, node) => {
        if (signs(older) !== signs(node)) onNode(node);
      },
      onDelete: node => {
        onNode(node);
        wakeAsked();
      },
    });
    const wakeAsked = (): void => {
      for (const claim of this.claims.lister.list()) if (isAsked(claim)) this.queue.add(CLAIM + keyOf(claim));
    };
    this.classes.addHandler({ onAdd: wakeAsked });
  }
}

async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
