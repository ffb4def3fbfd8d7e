/**
 * Gives the claims of a pod the volumes that were chosen with its node, before the pod is bound to it.
 *
 * A choice is remembered at once ("assumed"), so that the next decision does not give the same volume away, nor another node to the same claim;
 * it is forgotten when the API shows it, or something newer, or when the pod does not come to the node.
 */
import { freeVolumesByClass, volumesByClaim, type Lookup } from '../../machinery/client/shared-indexes.ts';
import type { Client } from '../../machinery/client/client.ts';
import type { Informer, InformerFactory } from '../../machinery/client/informer.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
  volumeAttachments,
} from '../../machinery/client/resource.ts';
import { keyOf, objectKey } from '../../machinery/meta/object.ts';
import { BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE } from '../../machinery/meta/volume-annotations.ts';
import { isReservedFor, storageClassOf } from '../../machinery/meta/volume-match.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../proto/api/core-v1.ts';
import { AssumedObjects } from './assumed-objects.ts';
import { isReachable, type VolumeDecision, type VolumeSources } from './plan/volumes.ts';

const BY_NODE = 'node';
const BY_CLASS = 'class';

export interface VolumeBinderOptions {
  client: Client;
  informers: InformerFactory;
  clock: Clock;
}

/** The volumes did not come: another try may choose another node. The message is what the pod is told. */
export class VolumeBindingError extends Error {
  override readonly name = 'VolumeBindingError';
}

export class VolumeBinder {
  readonly sources: VolumeSources;
  private readonly options: VolumeBinderOptions;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly volumesOf: Lookup<PersistentVolume>;
  private readonly freeOf: Lookup<PersistentVolume>;
  private readonly pods: Informer<Pod>;
  private readonly assumedVolumes: AssumedObjects<PersistentVolume>;
  private readonly assumedClaims: AssumedObjects<PersistentVolumeClaim>;
  private readonly waiters = new Set<() => void>();

  constructor(options: VolumeBinderOptions) {
    this.options = options;
    const { informers } = options;
    this.claims = informers.informer(persistentVolumeClaims);
    this.volumes = informers.informer(persistentVolumes);
    this.pods = informers.informer(pods);
    this.assumedVolumes = new AssumedObjects(this.volumes);
    this.assumedClaims = new AssumedObjects(this.claims);
    const wake = (): void => {
      for (const waiter of this.waiters) waiter();
    };
    this.claims.addHandler({ onUpdate: wake, onDelete: wake });
    this.volumes.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake });
    this.pods.addHandler({ onDelete: wake });
    this.volumesOf = volumesByClaim(this.volumes);
    this.freeOf = freeVolumesByClass(this.volumes);
    this.sources = this.createSources();
  }

  /** Takes what was decided: from now on its volumes are the claims'. @returns it as it is to be written */
  reserve({ bindings, provisions }: VolumeDecision, nodeName: string): VolumeDecision {
    return {
      bindings: bindings.map(({ claim, volume }) => {
        if (isKept(volume, claim)) return { claim, volume };
        const wanted = reserved(volume, claim);
        this.assumedVolumes.assume(wanted);
        return { claim, volume: wanted };
      }),
      provisions: provisions.map(claim => {
        if (claim.metadata.annotations?.[SELECTED_NODE] === nodeName) return claim;
        const annotations = { ...claim.metadata.annotations, [SELECTED_NODE]: nodeName };
        const wanted = { ...claim, metadata: { ...claim.metadata, annotations } };
        this.assumedClaims.assume(wanted);
        return wanted;
      }),
    };
  }

  /** Gives back what was reserved and is not written. */
  release({ bindings, provisions }: VolumeDecision): void {
    for (const { volume } of bindings) this.assumedVolumes.restore(volume);
    for (const claim of provisions) this.assumedClaims.restore(claim);
  }

  /**
   * Writes what was reserved, and waits until the claims are bound.
   * @throws StatusError; VolumeBindingError when they do not come, or not to the node
   */
  async bind(
    pod: Pod,
    decision: VolumeDecision,
    node: Node,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<void> {
    const { client, clock } = this.options;
    const written: VolumeDecision = { bindings: [], provisions: [] };
    for (const { claim, volume } of decision.bindings) {
      const known = this.volumes.lister.get(undefined, volume.metadata.name ?? '');
      const isThere = known !== undefined && isKept(known, claim);
      // Refused where somebody has changed it meanwhile: he may have given it away.
      const now = isThere ? known : await client.of(persistentVolumes).update(volume, { signal });
      written.bindings.push({ claim, volume: now });
    }
    for (const claim of decision.provisions) {
      const { namespace, name = '', uid } = claim.metadata;
      const isThere = this.current(claim).metadata.annotations?.[SELECTED_NODE] === nameOf(node);
      const patch = { metadata: { uid, annotations: { [SELECTED_NODE]: nameOf(node) } } };
      const write = (): Promise<PersistentVolumeClaim> =>
        client.of(persistentVolumeClaims).patch({ namespace, name }, patch, { type: 'merge', signal });
      written.provisions.push(isThere ? claim : await write());
    }
    const untilMs = clock.monotonicMs() + timeoutMs;
    while (!this.isDone(pod, written, node)) {
      signal.throwIfAborted();
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) throw new VolumeBindingError('binding volumes: timed out waiting for the condition');
      await this.changed(leftMs, signal);
    }
  }

  /** @throws VolumeBindingError when it will never be */
  private isDone(pod: Pod, { bindings, provisions }: VolumeDecision, node: Node): boolean {
    const { namespace, name = '', uid } = pod.metadata;
    if (this.pods.lister.get(namespace, name)?.metadata.uid !== uid) return fail('pod does not exist any more');
    return (
      bindings.every(({ claim, volume }) => this.isBoundTo(claim, volume, node)) &&
      provisions.every(claim => this.isProvisioned(claim, node))
    );
  }

  private isBoundTo(claim: PersistentVolumeClaim, written: PersistentVolume, node: Node): boolean {
    const name = written.metadata.name ?? '';
    const volume = this.volumes.lister.get(undefined, name);
    if (volume === undefined) return fail(`failed to check binding: could not find v1.PersistentVolume "${name}"`);
    if (isOlder(volume, written)) return false;
    if (!isReachable(volume, node)) return fail(`pv "${name}" node affinity doesn't match node "${nameOf(node)}"`);
    if ((volume.spec.claimRef?.uid ?? '') === '') return fail(`ClaimRef got reset for pv "${name}"`);
    return isFullyBound(this.current(claim));
  }

  private isProvisioned(written: PersistentVolumeClaim, node: Node): boolean {
    const claim = this.current(written);
    if (isOlder(claim, written)) return false;
    const { name = '', annotations } = claim.metadata;
    if (annotations === undefined) return fail(`selectedNode annotation reset for PVC "${name}"`);
    // A provisioner takes the annotation away when it has no room on that node.
    if (annotations[SELECTED_NODE] !== nameOf(node)) return fail(`provisioning failed for PVC "${name}"`);
    const { volumeName = '' } = claim.spec;
    if (volumeName === '') return false;
    const volume = this.volumes.lister.get(undefined, volumeName);
    if (volume === undefined) return false;
    if (!isReachable(volume, node))
      return fail(`pv "${volumeName}" node affinity doesn't match node "${nameOf(node)}"`);
    return isFullyBound(claim);
  }

  private current({ metadata }: PersistentVolumeClaim): PersistentVolumeClaim {
    const { namespace, name = '', uid } = metadata;
    const claim = this.claims.lister.get(namespace, name);
    if (claim?.metadata.uid === uid && claim !== undefined) return claim;
    return fail(`failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "${namespace}/${name}"`);
  }

  private changed(withinMs: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const cancel = this.options.clock.after(withinMs, () => done());
      const done = (): void => {
        cancel();
        this.waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  private createSources(): VolumeSources {
    const { informers } = this.options;
    const classes = informers.informer(storageClasses).lister;
    const nodesOfDrivers = informers.informer(csiNodes).lister;
    const drivers = informers.informer(csiDrivers).lister;
    const capacities = informers.informer(csiStorageCapacities);
    const attachments = informers.informer(volumeAttachments);
    capacities.addIndex(BY_CLASS, ({ storageClassName }) => [storageClassName]);
    attachments.addIndex(BY_NODE, ({ spec }) => [spec.nodeName]);
    return {
      claim: (namespace, name) => this.assumedClaims.get(objectKey(namespace, name)),
      volume: name => this.volumes.lister.get(undefined, name),
      volumesFor: claim => this.volumesFor(claim),
      storageClass: name => classes.get(undefined, name),
      csiNode: name => nodesOfDrivers.get(undefined, name),
      csiDriver: name => drivers.get(undefined, name),
      storageCapacities: name => capacities.lister.byIndex(BY_CLASS, name),
      attachments: nodeName =>
        attachments.lister.byIndex(BY_NODE, nodeName).flatMap(({ spec }) => spec.source.persistentVolumeName ?? []),
    };
  }

  private volumesFor(claim: PersistentVolumeClaim): PersistentVolume[] {
    const kept = this.volumesOf(keyOf(claim));
    const free = this.freeOf(storageClassOf(claim));
    return [...kept, ...free.map(volume => this.assumedVolumes.get(keyOf(volume)) ?? volume)];
  }
}

function isKept(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return isReservedFor(volume, claim) && volume.spec.claimRef?.uid === claim.metadata.uid;
}

function isFullyBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return (spec.volumeName ?? '') !== '' && metadata.annotations?.[BIND_COMPLETED] !== undefined;
}

/** The volume, kept for the claim; the volume binder does the rest. */
function reserved(volume: PersistentVolume, { metadata }: PersistentVolumeClaim): PersistentVolume {
  const { namespace, name, uid, resourceVersion } = metadata;
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
  const byController = volume.spec.claimRef === undefined ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
  const annotations = { ...volume.metadata.annotations, ...byController };
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } };
}

/** Whether the informer has not yet seen what was written. */
function isOlder(known: PersistentVolume | PersistentVolumeClaim, written: typeof known): boolean {
  return Number(known.metadata.resourceVersion ?? 0) < Number(written.metadata.resourceVersion ?? 0);
}

function nameOf({ metadata }: Node): string {
  return metadata.name ?? '';
}

function fail(message: string): never {
  throw new VolumeBindingError(message);
}
