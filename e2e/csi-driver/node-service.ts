/** The driver's Identity and Node services. */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import {
  NodeServiceCapability_RPC_Type as Capability,
  VolumeUsage_Unit as Unit,
  type NodeExpandVolumeRequest,
  type NodeGetVolumeStatsRequest,
  type NodePublishVolumeRequest,
  type NodeStageVolumeRequest,
  type NodeUnpublishVolumeRequest,
  type NodeUnstageVolumeRequest,
} from '../../proto/csi/csi.gen.ts';
import type { Knobs } from './knobs.ts';
import { CallError, type Handlers } from './serve.ts';
import { Storage, usageOf } from './storage.ts';

export interface NodeServiceOptions {
  readonly name: string;
  readonly nodeId: string;
  readonly state: string;
  readonly knobs: Knobs;
}

const CAPABILITIES = [
  Capability.STAGE_UNSTAGE_VOLUME,
  Capability.GET_VOLUME_STATS,
  Capability.EXPAND_VOLUME,
  Capability.VOLUME_CONDITION,
  Capability.SINGLE_NODE_MULTI_WRITER,
];
/** How many volumes a node may have. */
const MAX_VOLUMES = 20n;

export function identityService(name: string): Handlers {
  return {
    getPluginInfo: () => ({ name, vendorVersion: '1' }),
    getPluginCapabilities: () => ({ capabilities: [] }),
    probe: () => ({ ready: { value: true } }),
  };
}

export function nodeService({ name, nodeId, state, knobs }: NodeServiceOptions): Handlers {
  const storage = new Storage(state);
  return {
    nodeGetInfo: () => ({
      nodeId,
      maxVolumesPerNode: MAX_VOLUMES,
      accessibleTopology: { segments: { [`topology.${name}/host`]: nodeId } },
    }),
    nodeGetCapabilities: () => ({ capabilities: CAPABILITIES.map(type => ({ rpc: { type } })) }),
    async nodeStageVolume(request: NodeStageVolumeRequest) {
      const { volumeId = '', stagingTargetPath = '', volumeCapability, publishContext, secrets } = request;
      await knobs.pass('NodeStageVolume', volumeId);
      knobs.log(`stage ${JSON.stringify({ mode: volumeCapability?.accessMode?.mode, publishContext, secrets })}`);
      if (!existsSync(storage.path(volumeId))) throw new CallError(status.NOT_FOUND, `no volume ${volumeId}`);
      if (volumeCapability?.block !== undefined) await storage.attach(volumeId);
      else await storage.bind(storage.path(volumeId), stagingTargetPath, { isFile: false, readOnly: false });
      return {};
    },
    async nodeUnstageVolume({ volumeId = '', stagingTargetPath = '' }: NodeUnstageVolumeRequest) {
      await knobs.pass('NodeUnstageVolume', volumeId);
      await storage.unmount(stagingTargetPath);
      await storage.detach(volumeId);
      return {};
    },
    async nodePublishVolume(request: NodePublishVolumeRequest) {
      const {
        volumeId = '',
        stagingTargetPath = '',
        targetPath = '',
        volumeCapability,
        volumeContext,
        readonly,
      } = request;
      await knobs.pass('NodePublishVolume', volumeId);
      knobs.log(
        `publish ${JSON.stringify({ mode: volumeCapability?.accessMode?.mode, volumeContext, secrets: request.secrets })}`,
      );
      const readOnly = readonly === true;
      if (volumeCapability?.block !== undefined) {
        await storage.bind(await storage.attach(volumeId), targetPath, { isFile: true, readOnly });
      } else if (stagingTargetPath !== '') {
        await storage.bind(stagingTargetPath, targetPath, { isFile: false, readOnly });
      } else {
        const folder = storage.path(volumeId);
        mkdirSync(folder, { recursive: true });
        await storage.bind(folder, targetPath, { isFile: false, readOnly });
      }
      return {};
    },
    async nodeUnpublishVolume({ volumeId = '', targetPath = '' }: NodeUnpublishVolumeRequest) {
      await knobs.pass('NodeUnpublishVolume', volumeId);
      await storage.unmount(targetPath);
      rmSync(targetPath, { recursive: true, force: true });
      const folder = storage.path(volumeId);
      // An inline volume ends with its pod.
      if (volumeId.startsWith('csi-')) rmSync(folder, { recursive: true, force: true });
      return {};
    },
    nodeGetVolumeStats({ volumePath = '' }: NodeGetVolumeStatsRequest) {
      const { abnormal } = knobs.settings;
      const volumeCondition = { abnormal: abnormal !== undefined, message: abnormal ?? 'fine' };
      if (!statSync(volumePath).isDirectory()) return { usage: [], volumeCondition };
      const { bytes, inodes } = usageOf(volumePath);
      const usage = ([available, total, used]: readonly bigint[], unit: number) => ({ available, total, used, unit });
      return { usage: [usage(bytes, Unit.BYTES), usage(inodes, Unit.INODES)], volumeCondition };
    },
    async nodeExpandVolume({ volumeId = '', capacityRange, volumeCapability }: NodeExpandVolumeRequest) {
      await knobs.pass('NodeExpandVolume', volumeId);
      const capacityBytes = capacityRange?.requiredBytes ?? 0n;
      await storage.provide(volumeId, Number(capacityBytes), volumeCapability?.block !== undefined);
      return { capacityBytes };
    },
  };
}
