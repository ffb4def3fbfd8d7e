/**
 * Gives the claims of a pod the volumes that were chosen with its node, before the pod is bound to it.
 *
 * A choice is remembered at once ("assumed"), so that the next decision does not give the same volume away; it is forgotten when the API
 * shows it, or when it could not be written.
 */
import type { Client } from '../../machinery/client/client.ts';
import type { Informer, InformerFactory } from '../../machinery/client/informer.ts';
import {
  csiDrivers,
  csiNodes,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
} from '../../machinery/client/resource.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../proto/api/core-v1.ts';
import { claimsOf, planVolumes, type VolumeDecision, type VolumeSources } from './plan/volumes.ts';

const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** How long a pod waits for its volumes before its node is chosen anew. */
const BIND_TIMEOUT_MS = 600_000;

export interface VolumeBinderOptions {
  client: Client;
  informers: InformerFactory;
  clock: Clock;
}

/** The volumes did not come: another try may choose another node. */
export class VolumeBindingError extends Error {
  override readonly name = 'VolumeBindingError';
}

export class VolumeBinder {
  readonly sources: VolumeSources;
  private readonly options: VolumeBinderOptions;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly assumed = new Map<string, PersistentVolume>();
  private readonly waiters = new Set<() => void>();

  constructor(options: VolumeBinderOptions) {
    this.options = options;
    const { informers } = options;
    const volumes = informers.informer(persistentVolumes);
    const classes = informers.informer(storageClasses).lister;
    const nodesOfDrivers = informers.informer(csiNodes).lister;
    const drivers = informers.informer(csiDrivers).lister;
    this.claims = informers.informer(persistentVolumeClaims);
    const wake = (): void => {
      for (const waiter of this.waiters) waiter();
    };
    this.claims.addHandler({ onUpdate: wake, onDelete: wake });
    volumes.addHandler({
      onUpdate: (_older, volume) => {
        if (volume.spec.claimRef !== undefined) this.assumed.delete(volume.metadata.name ?? '');
      },
      onDelete: volume => void this.assumed.delete(volume.metadata.name ?? ''),
    });
    const current = (volume: PersistentVolume): PersistentVolume =>
      this.assumed.get(volume.metadata.name ?? '') ?? volume;
    this.sources = {
      claim: (namespace, name) => this.claims.lister.get(namespace, name),
      volume: name => volumes.lister.get(undefined, name),
      volumes: () => volumes.lister.list().map(current),
      storageClass: name => classes.get(undefined, name),
      csiNode: name => nodesOfDrivers.get(undefined, name),
      csiDriver: name => drivers.get(undefined, name),
    };
  }

  /** What the pod's claims need on the node; undefined: nothing. From now on its volumes are taken. */
  reserve(pod: Pod, node: Node): VolumeDecision | undefined {
    const claims = claimsOf(pod, this.sources);
    if ('reason' in claims || claims.waiting.length === 0) return undefined;
    const decision = planVolumes(claims, node, this.sources);
    if ('reason' in decision) return undefined;
    for (const binding of decision.bindings) {
      binding.volume = reserved(binding.volume, binding.claim);
      this.assumed.set(binding.volume.metadata.name ?? '', binding.volume);
    }
    return decision;
  }

  /** Writes what was chosen, and waits until the claims are bound. @throws StatusError, VolumeBindingError */
  async bind(decision: VolumeDecision, nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.options;
    try {
      for (const { volume } of decision.bindings) await client.of(persistentVolumes).update(volume, { signal });
      for (const claim of decision.provisions) {
        const annotations = { ...claim.metadata.annotations, [SELECTED_NODE]: nodeName };
        const chosen = { ...claim, metadata: { ...claim.metadata, annotations } };
        await client.of(persistentVolumeClaims).update(chosen, { signal });
      }
    } catch (error) {
      this.release(decision);
      throw error;
    }
    const claims = [...decision.bindings.map(({ claim }) => claim), ...decision.provisions];
    const untilMs = clock.monotonicMs() + BIND_TIMEOUT_MS;
    while (!claims.every(claim => this.isBound(claim, nodeName))) {
      signal.throwIfAborted();
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) throw new VolumeBindingError(`timed out waiting for volumes of node ${nodeName}`);
      await this.changed(leftMs, signal);
    }
  }

  private release({ bindings }: VolumeDecision): void {
    for (const { volume } of bindings) this.assumed.delete(volume.metadata.name ?? '');
  }

  /** @throws VolumeBindingError when the claim is gone or was given back */
  private isBound({ metadata }: PersistentVolumeClaim, nodeName: string): boolean {
    const claim = this.claims.lister.get(metadata.namespace, metadata.name ?? '');
    if (claim === undefined || claim.metadata.uid !== metadata.uid) {
      throw new VolumeBindingError(`persistentvolumeclaim "${metadata.name}" is gone`);
    }
    if ((claim.spec.volumeName ?? '') !== '' && claim.status?.phase === 'Bound') return true;
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    // A provisioner takes the annotation away when it has no room on that node.
    if (metadata.annotations?.[SELECTED_NODE] === undefined && selected !== undefined && selected !== nodeName) {
      throw new VolumeBindingError(`persistentvolumeclaim "${metadata.name}" was given to node ${selected}`);
    }
    return false;
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
}

/** The volume, kept for the claim; the volume binder does the rest. */
function reserved(volume: PersistentVolume, { metadata }: PersistentVolumeClaim): PersistentVolume {
  const { namespace, name, uid } = metadata;
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid };
  const annotations = { ...volume.metadata.annotations, [BOUND_BY_CONTROLLER]: 'yes' };
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } };
}
