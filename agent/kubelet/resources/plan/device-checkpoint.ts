/** `kubelet_internal_checkpoint`. Source: `pkg/kubelet/cm/devicemanager/checkpoint/checkpoint.go` 1.36. */
import { Buffer } from 'node:buffer';
import { ContainerAllocateResponse } from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import { CheckpointError, isRecord, openCheckpoint, sealCheckpoint } from './checkpoint.ts';
import { withGrant, type DeviceGrant, type DeviceGrants, type DeviceResource } from './device-state.ts';

const CHECKSUM = 'Checksum';

export function writeDeviceCheckpoint(grants: DeviceGrants, resources: ReadonlyMap<string, DeviceResource>): string {
  const entries: unknown[] = [];
  for (const [uid, containers] of grants) {
    for (const [container, byResource] of containers) {
      for (const [resource, { byNode, response }] of byResource) {
        // Who is being asked has not answered: after a crash it is asked again.
        if (response === undefined) continue;
        entries.push({
          PodUID: uid,
          ContainerName: container,
          ResourceName: resource,
          DeviceIDs: Object.fromEntries(byNode),
          AllocResp: Buffer.from(ContainerAllocateResponse.encode(response).finish()).toString('base64'),
        });
      }
    }
  }
  const registered = Object.fromEntries(
    [...resources].map(([name, { devices }]) => [
      name,
      [...devices.values()].filter(device => device.healthy).map(device => device.id),
    ]),
  );
  return sealCheckpoint({ Data: { PodDeviceEntries: entries, RegisteredDevices: registered } }, CHECKSUM);
}

/** @throws CheckpointError */
export function readDeviceCheckpoint(text: string): {
  readonly grants: DeviceGrants;
  readonly resources: readonly string[];
} {
  const { Data } = openCheckpoint(text, CHECKSUM);
  const { PodDeviceEntries, RegisteredDevices } = isRecord(Data) ? Data : {};
  if (!isRecord(RegisteredDevices)) throw new CheckpointError('it is not of the form of a device manager state');
  let grants: DeviceGrants = new Map();
  for (const entry of Array.isArray(PodDeviceEntries) ? PodDeviceEntries : []) {
    const { PodUID, ContainerName, ResourceName, DeviceIDs, AllocResp } = isRecord(entry) ? entry : {};
    if (typeof PodUID !== 'string' || typeof ContainerName !== 'string' || typeof ResourceName !== 'string')
      throw new CheckpointError('an entry names no pod, container or resource');
    const grant = { byNode: nodesOf(DeviceIDs), response: responseOf(AllocResp) };
    grants = withGrant(grants, PodUID, ContainerName, ResourceName, grant);
  }
  return { grants, resources: Object.keys(RegisteredDevices) };
}

function nodesOf(ids: unknown): DeviceGrant['byNode'] {
  if (!isRecord(ids)) throw new CheckpointError('an entry has no devices');
  return new Map(
    Object.entries(ids).map(([node, list]) => [Number(node), Array.isArray(list) ? list.map(String) : []]),
  );
}

function responseOf(text: unknown): Decoded<ContainerAllocateResponse> {
  try {
    return ContainerAllocateResponse.decode(Buffer.from(String(text), 'base64')) as Decoded<ContainerAllocateResponse>;
  } catch (error) {
    throw new CheckpointError('the answer of a plugin cannot be read', { cause: error });
  }
}
