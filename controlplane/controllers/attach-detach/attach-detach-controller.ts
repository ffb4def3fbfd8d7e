/**
 * Has volumes of CSI drivers attached to the nodes whose pods need them, and detached again: it makes and removes VolumeAttachments, which the
 * drivers' external-attachers carry out, and tells each node what it has.
 *
 * Keys are nodes. A cluster without such volumes costs nothing: pods without claims are not looked at.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, VolumeAttachment } from '../../../proto/api/storage-v1.ts';
import { podsByClaim, podsByNode, type Lookup } from '../../../machinery/client/shared-indexes.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import {
  csiDrivers,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttachments,
} from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { parseUniqueVolumeName, volumeAttachmentName } from '../../../machinery/meta/csi-names.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { findCondition, keyOf, objectKey } from '../../../machinery/meta/object.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import { absent, hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { AttachmentEvents } from './attachment-events.ts';
import { multiAttachMessage, planAttachments, type AttachmentPlan } from './plan/node-attachments.ts';
import { holdsVolumes, wantedVolumes, type WantedVolume } from './plan/wanted-volumes.ts';

const BY_NODE = 'node';
const BY_VOLUME = 'volume';
const MANAGED = 'volumes.kubernetes.io/controller-managed-attach-detach';

export class AttachDetachController implements Controller, Reconciler {
  readonly name = 'attachdetach-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly pods: Informer<Pod>;
  private readonly podsOn: Lookup<Pod>;
  private readonly usersOf: Lookup<Pod>;
  private readonly nodes: Informer<Node>;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly drivers: Informer<CSIDriver>;
  private readonly attachments: Informer<VolumeAttachment>;
  /** Monotonic, by attachment. */
  private readonly unwantedSinceMs = new Map<string, number>();
  private readonly events: AttachmentEvents;
  /** Nodes that wait for a volume that another node has. */
  private readonly blocked = new Map<string, Set<string>>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.events = new AttachmentEvents(context.events);
    const { informers } = context;
    this.pods = informers.informer(pods);
    this.nodes = informers.informer(nodes);
    this.claims = informers.informer(persistentVolumeClaims);
    this.volumes = informers.informer(persistentVolumes);
    this.drivers = informers.informer(csiDrivers);
    this.attachments = informers.informer(volumeAttachments);
    this.podsOn = podsByNode(this.pods);
    this.usersOf = podsByClaim(this.pods);
    this.attachments.addIndex(BY_NODE, ({ spec }) => [spec.nodeName]);
    this.attachments.addIndex(BY_VOLUME, ({ spec }) => [spec.source.persistentVolumeName ?? '']);
    this.watch();
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.pods, this.nodes, this.claims, this.volumes, this.drivers, this.attachments];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 4 }, signal);
  }

  async reconcile(nodeName: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.nodes.lister.get(undefined, nodeName);
    const attachments = this.attachments.lister.byIndex(BY_NODE, nodeName);
    const isManaged = node?.metadata.annotations?.[MANAGED] === 'true';
    const wanted = isManaged ? this.wantedOn(nodeName) : [];
    if (attachments.length === 0 && wanted.length === 0 && (node?.status?.volumesAttached ?? []).length === 0)
      return 'awaitChange';
    const nowMs = this.context.clock.monotonicMs();
    const plan = planAttachments({
      nodeName,
      node,
      wanted,
      attachments,
      elsewhere: volume => this.elsewhere(volume, nodeName),
      unwantedSinceMs: name => this.unwantedSinceMs.get(name),
      nowMs,
    });
    this.noteUnwanted(attachments, plan, nowMs);
    this.events.tellOutcomes(wanted, attachments);
    for (const volume of plan.blocked) this.block(volume, nodeName);
    const inUseBefore = attachmentsInUse(node);
    const inUseNow = await this.writeAttached(node, plan, signal);
    for (const attachment of plan.remove) {
      const { name = '' } = attachment.metadata;
      // The node may have begun to use it while we looked: its own word, given after ours, decides. What it used before goes by force: the plan
      // knew of that.
      if (inUseNow.has(name) && !inUseBefore.has(name)) continue;
      await this.remove(attachment, signal);
    }
    for (const volume of plan.create) await this.create(volume, nodeName, signal);
    return plan.afterMs === undefined ? 'awaitChange' : { afterMs: Math.max(1, plan.afterMs) };
  }

  private wantedOn(nodeName: string): WantedVolume[] {
    return wantedVolumes(this.podsOn(nodeName), nodeName, {
      claim: (namespace, name) => this.claims.lister.get(namespace, name),
      volume: name => this.volumes.lister.get(undefined, name),
      driver: name => this.drivers.lister.get(undefined, name),
    });
  }

  private elsewhere(volume: string, nodeName: string): VolumeAttachment[] {
    return this.attachments.lister.byIndex(BY_VOLUME, volume).filter(({ spec }) => spec.nodeName !== nodeName);
  }

  private noteUnwanted(attachments: readonly VolumeAttachment[], plan: AttachmentPlan, nowMs: number): void {
    const unwanted = new Set([...plan.waiting, ...plan.remove].map(({ metadata }) => metadata.name ?? ''));
    for (const { metadata } of attachments) {
      const name = metadata.name ?? '';
      if (!unwanted.has(name)) this.unwantedSinceMs.delete(name);
      else if (!this.unwantedSinceMs.has(name)) this.unwantedSinceMs.set(name, nowMs);
    }
  }

  /** Names of attachments that the node uses, as of this write; empty if nothing had to be written, or there is no node. */
  private async writeAttached(
    node: Node | undefined,
    plan: AttachmentPlan,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const { name = '' } = node?.metadata ?? {};
    const none = new Set<string>();
    if (node === undefined) return none;
    const same = jsonEquals(node.status?.volumesAttached ?? [], plan.attached);
    if (same && plan.remove.length === 0) return none;
    try {
      const status = { volumesAttached: plan.attached.length === 0 ? null : plan.attached };
      const written = await this.context.client
        .of(nodes)
        .patch({ name }, { status }, { type: 'strategic', subresource: 'status', signal });
      return attachmentsInUse(written);
    } catch (error) {
      if (isNotFound(error)) return none;
      throw error;
    }
  }

  private async create(volume: WantedVolume, nodeName: string, signal: AbortSignal): Promise<void> {
    const attachment: VolumeAttachment = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name: volume.attachment },
      spec: {
        attacher: volume.driver,
        nodeName,
        source: { persistentVolumeName: volume.volume.metadata.name ?? '' },
      },
    };
    try {
      await this.context.client.of(volumeAttachments).create(attachment, { signal });
    } catch (error) {
      // One that is being deleted is met again when it is gone.
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
  }

  private async remove({ metadata }: VolumeAttachment, signal: AbortSignal): Promise<void> {
    await this.context.client
      .of(volumeAttachments)
      .delete({ name: metadata.name ?? '' }, { signal })
      .catch(absent);
  }

  private block(volume: WantedVolume, nodeName: string): void {
    const name = volume.volume.metadata.name ?? '';
    const waiting = this.blocked.get(name) ?? new Set();
    this.blocked.set(name, waiting);
    if (waiting.has(nodeName)) return;
    waiting.add(nodeName);
    const elsewhere = new Set(this.elsewhere(name, nodeName).map(({ spec }) => spec.nodeName));
    const { claimRef } = volume.volume.spec;
    const users = this.usersOf(objectKey(claimRef?.namespace, claimRef?.name ?? '')).filter(
      pod => elsewhere.has(pod.spec?.nodeName ?? '') && holdsVolumes(pod),
    );
    const message = multiAttachMessage(
      name,
      users.map(({ metadata }) => metadata.name ?? ''),
    );
    this.events.tellBlocked(volume, message);
  }

  private watch(): void {
    const onPod = (pod: Pod): void => {
      if ((pod.spec?.nodeName ?? '') !== '' && claimNamesOf(pod).length > 0) this.queue.add(pod.spec?.nodeName ?? '');
    };
    this.pods.addHandler({ onAdd: onPod, onUpdate: (_older, pod) => onPod(pod), onDelete: onPod });
    const onNode = ({ metadata }: Node): void => this.queue.add(metadata.name ?? '');
    const signs = ({ metadata, spec, status }: Node): unknown => [
      metadata.annotations?.[MANAGED],
      spec?.taints,
      status?.volumesInUse,
      status?.volumesAttached,
      findCondition(status?.conditions, 'Ready')?.status,
    ];
    this.nodes.addHandler({
      onAdd: onNode,
      onUpdate: (older, node) => {
        if (!jsonEquals(signs(older), signs(node))) onNode(node);
      },
      onDelete: onNode,
    });
    const onClaim = (claim: PersistentVolumeClaim): void => {
      for (const pod of this.usersOf(keyOf(claim))) onPod(pod);
    };
    this.claims.addHandler({
      onAdd: onClaim,
      onUpdate: (older, claim) => {
        if (older.status?.phase !== claim.status?.phase || older.spec.volumeName !== claim.spec.volumeName)
          onClaim(claim);
      },
    });
    const onVolume = ({ spec }: PersistentVolume): void => {
      const { namespace, name = '' } = spec.claimRef ?? {};
      if (spec.csi === undefined) return;
      for (const pod of this.usersOf(objectKey(namespace, name))) onPod(pod);
    };
    this.volumes.addHandler({ onAdd: onVolume });
    const onDriver = (): void => {
      for (const node of this.nodes.lister.list()) onNode(node);
    };
    this.drivers.addHandler({ onAdd: onDriver, onUpdate: onDriver, onDelete: onDriver });
    const onAttachment = ({ spec }: VolumeAttachment): void => this.queue.add(spec.nodeName);
    this.attachments.addHandler({
      onAdd: onAttachment,
      onUpdate: (_older, attachment) => onAttachment(attachment),
      onDelete: attachment => {
        const volume = attachment.spec.source.persistentVolumeName ?? '';
        this.events.forget(attachment.metadata.name ?? '');
        this.unwantedSinceMs.delete(attachment.metadata.name ?? '');
        for (const nodeName of this.blocked.get(volume) ?? []) this.queue.add(nodeName);
        this.blocked.delete(volume);
        onAttachment(attachment);
      },
    });
  }
}

/** Names of attachments whose volumes the node says that it uses. */
function attachmentsInUse(node: Node | undefined): ReadonlySet<string> {
  const inUse = (node?.status?.volumesInUse ?? []).flatMap(unique => parseUniqueVolumeName(unique) ?? []);
  return new Set(inUse.map(({ driver, handle }) => volumeAttachmentName(driver, handle, node?.metadata.name ?? '')));
}
