/** How a volume will be accessed, in CSI's words. Source: kubernetes `pkg/volume/csi/csi_client.go`; KEP 2485 (ReadWriteOncePod). */
import { VolumeCapability_AccessMode_Mode as Mode, type VolumeCapability } from '../../../../../proto/csi/csi.gen.ts';
import type { CsiVolume } from './csi-volume.ts';

/** @param tellsWritersApart the driver has SINGLE_NODE_MULTI_WRITER */
function accessMode(mode: string, tellsWritersApart: boolean): Mode {
  switch (mode) {
    case 'ReadOnlyMany':
      return Mode.MULTI_NODE_READER_ONLY;
    case 'ReadWriteMany':
      return Mode.MULTI_NODE_MULTI_WRITER;
    case 'ReadWriteOncePod':
      return tellsWritersApart ? Mode.SINGLE_NODE_SINGLE_WRITER : Mode.SINGLE_NODE_WRITER;
    default:
      return tellsWritersApart ? Mode.SINGLE_NODE_MULTI_WRITER : Mode.SINGLE_NODE_WRITER;
  }
}

export interface CapabilityInput {
  readonly tellsWritersApart: boolean;
  /** Group that the driver gives the file system to; '' for none. */
  readonly mountGroup: string;
  /** `context="..."` for SELinux hosts; '' for none. */
  readonly seLinuxOption: string;
}

export function volumeCapability(volume: CsiVolume, input: CapabilityInput): VolumeCapability {
  const mode = { accessMode: { mode: accessMode(volume.accessMode, input.tellsWritersApart) } };
  if (volume.isBlock) return { ...mode, block: {} };
  const mountFlags = [...volume.mountOptions, ...(input.seLinuxOption === '' ? [] : [input.seLinuxOption])];
  return { ...mode, mount: { fsType: volume.fsType, mountFlags, volumeMountGroup: input.mountGroup } };
}
