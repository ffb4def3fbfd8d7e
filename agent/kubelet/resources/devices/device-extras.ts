/** What plugins want in a container, brought together. Source: `pkg/kubelet/cm/devicemanager/pod_devices.go` 1.36, deviceRunContainerOptions. */
import type { ContainerAllocateResponse } from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import type { CDIDevice, Device, Mount } from '../../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import type { DeviceExtras } from '../plan/with-extras.ts';

const NO_EXTRAS: DeviceExtras = { devices: [], mounts: [], env: new Map(), annotations: {}, cdiDevices: [] };

/** The first that says something of a path or a name is heard. */
export function deviceExtras(responses: readonly Decoded<ContainerAllocateResponse>[]): DeviceExtras {
  if (responses.length === 0) return NO_EXTRAS;
  const devices = new Map<string, Device>();
  const mounts = new Map<string, Mount>();
  const env = new Map<string, string>();
  const annotations: Record<string, string> = {};
  const cdiDevices = new Map<string, CDIDevice>();
  for (const response of responses) {
    for (const { containerPath, hostPath, permissions } of response.devices)
      if (!devices.has(containerPath)) devices.set(containerPath, { containerPath, hostPath, permissions });
    for (const { containerPath, hostPath, readOnly } of response.mounts)
      if (!mounts.has(containerPath)) mounts.set(containerPath, { containerPath, hostPath, readonly: readOnly });
    for (const [name, value] of Object.entries(response.envs)) if (!env.has(name)) env.set(name, value);
    for (const [key, value] of Object.entries(response.annotations)) annotations[key] ??= value;
    for (const { name } of response.cdiDevices) cdiDevices.set(name, { name });
  }
  return {
    devices: [...devices.values()],
    mounts: [...mounts.values()],
    env,
    annotations,
    cdiDevices: [...cdiDevices.values()],
  };
}
