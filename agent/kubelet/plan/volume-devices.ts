/** Block devices that a container gets from volumes (`volumeDevices`). Pure. Source: kubernetes `kubelet_pods.go`, makeBlockVolumes. */
import type { Container } from '../../../proto/api/core-v1.ts';
import type { Device } from '../../../proto/cri/runtime.gen.ts';
import { ConfigError } from './environment.ts';

/** What of a prepared volume counts here. */
interface VolumeDeviceSource {
  /** On the node. */
  readonly devicePath?: string;
  readonly readOnly: boolean;
}

/** @throws ConfigError when a volume is missing or is no device */
export function volumeDevices(container: Container, volumes: ReadonlyMap<string, VolumeDeviceSource>): Device[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = volumes.get(name);
    if (volume === undefined)
      throw new ConfigError(`cannot find volume "${name}" to pass into container "${container.name}"`);
    if (volume.devicePath === undefined)
      throw new ConfigError(`volume "${name}" is no block device, as container "${container.name}" wants it`);
    return {
      hostPath: volume.devicePath,
      containerPath: devicePath,
      permissions: volume.readOnly ? 'r' : 'mrw',
    };
  });
}
