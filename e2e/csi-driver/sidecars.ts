/**
 * What the sidecars of a CSI driver do, as far as tests need it: volumes are made for claims, attached for nodes, grown for claims, and taken
 * away. They look every now and then; an API that is away is met again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKubeconfig, transportFor } from '../../machinery/client/kubeconfig.ts';
import {
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  volumeAttachments,
} from '../../machinery/client/resource.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { parseQuantity } from '../../machinery/meta/quantity.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../proto/api/core-v1.ts';
import type { VolumeAttachment } from '../../proto/api/storage-v1.ts';
import type { Knobs } from './knobs.ts';
import { Storage } from './storage.ts';

export interface SidecarOptions {
  readonly name: string;
  readonly kubeconfig: string;
  readonly state: string;
  readonly knobs: Knobs;
}

const LOOK_MS = 100;

export async function runSidecars(options: SidecarOptions, signal: AbortSignal): Promise<void> {
  const client = new RestClient(transportFor(await loadKubeconfig(options.kubeconfig), systemClock));
  const sidecars = new Sidecars(options, client);
  while (!signal.aborted) {
    await sidecars.look().catch((error: unknown) => options.knobs.log(`sidecar ${(error as Error).message}`));
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

class Sidecars {
  private readonly options: SidecarOptions;
  private readonly client: RestClient;
  private readonly storage: Storage;

  constructor(options: SidecarOptions, client: RestClient) {
    this.options = options;
    this.client = client;
    this.storage = new Storage(options.state);
  }

  async look(): Promise<void> {
    const claims = (await this.client.of(persistentVolumeClaims).list()).items;
    const volumes = (await this.client.of(persistentVolumes).list()).items.filter(
      ({ spec }) => spec.csi?.driver === this.options.name,
    );
    for (const claim of claims) await this.provision(claim);
    for (const volume of volumes) await this.resizeOrDelete(volume, claims);
    for (const attachment of (await this.client.of(volumeAttachments).list()).items)
      if (attachment.spec.attacher === this.options.name) await this.attach(attachment);
  }

  private async provision(claim: PersistentVolumeClaim): Promise<void> {
    const { name } = this.options;
    const asked = claim.metadata.annotations?.['volume.kubernetes.io/storage-provisioner'] === name;
    if (!asked || (claim.spec.volumeName ?? '') !== '' || claim.metadata.deletionTimestamp !== undefined) return;
    const handle = `pvc-${claim.metadata.uid ?? ''}`;
    const storage = claim.spec.resources?.requests?.storage ?? '';
    const storageClassName = claim.spec.storageClassName ?? '';
    const { reclaimPolicy, mountOptions } = await this.client.of(storageClasses).get({ name: storageClassName });
    await this.storage.provide(handle, parseQuantity(storage).value(), claim.spec.volumeMode === 'Block');
    const volume: PersistentVolume = {
      metadata: { name: handle, annotations: { 'pv.kubernetes.io/provisioned-by': name } },
      spec: {
        capacity: { storage },
        accessModes: claim.spec.accessModes,
        volumeMode: claim.spec.volumeMode,
        persistentVolumeReclaimPolicy: reclaimPolicy,
        mountOptions,
        storageClassName,
        claimRef: { namespace: claim.metadata.namespace, name: claim.metadata.name, uid: claim.metadata.uid },
        csi: {
          driver: name,
          volumeHandle: handle,
          fsType: 'ext4',
          nodeStageSecretRef: { namespace: claim.metadata.namespace, name: 'stage-key' },
        },
      },
    };
    await this.client.of(persistentVolumes).create(volume, {});
  }

  private async resizeOrDelete(volume: PersistentVolume, claims: readonly PersistentVolumeClaim[]): Promise<void> {
    const { metadata, spec, status } = volume;
    const name = metadata.name ?? '';
    if (status?.phase === 'Released' && spec.persistentVolumeReclaimPolicy === 'Delete') {
      await this.storage.remove(spec.csi?.volumeHandle ?? '');
      await this.client.of(persistentVolumes).delete({ name });
      return;
    }
    const claim = claims.find(({ metadata: { uid } }) => uid === spec.claimRef?.uid);
    const wanted = claim?.spec.resources?.requests?.storage;
    const has = spec.capacity?.storage;
    if (claim === undefined || wanted === undefined || has === undefined) return;
    if (parseQuantity(has).compare(parseQuantity(wanted)) >= 0) return;
    await this.client
      .of(persistentVolumes)
      .patch({ name }, { spec: { capacity: { storage: wanted } } }, { type: 'merge' });
    const pending = { type: 'FileSystemResizePending', status: 'True' };
    const { namespace, name: claimName = '' } = claim.metadata;
    await this.client
      .of(persistentVolumeClaims)
      .patch(
        { namespace, name: claimName },
        { status: { conditions: [pending] } },
        { type: 'merge', subresource: 'status' },
      );
  }

  private async attach(attachment: VolumeAttachment): Promise<void> {
    const { metadata, status } = attachment;
    const finalizer = `external-attacher/${this.options.name}`;
    const client = this.client.of(volumeAttachments);
    if (metadata.deletionTimestamp !== undefined) {
      const finalizers = (metadata.finalizers ?? []).filter(other => other !== finalizer);
      this.options.knobs.log(`detach ${attachment.spec.source.persistentVolumeName ?? ''}`);
      await client.update({ ...attachment, metadata: { ...metadata, finalizers } }, {});
      return;
    }
    if (status?.attached === true) return;
    const finalizers = [finalizer];
    const held = await client.update({ ...attachment, metadata: { ...metadata, finalizers } }, {});
    const attached = { attached: true, attachmentMetadata: { attachedBy: this.options.name } };
    await client.updateStatus({ ...held, status: attached }, {});
  }
}
