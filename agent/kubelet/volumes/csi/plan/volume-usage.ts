/** A driver's measurements in the kubelet's shape. Pure. */
import { VolumeUsage_Unit as Unit, type NodeGetVolumeStatsResponse } from '../../../../../proto/csi/csi.gen.ts';

/** A volume's usage; numbers beyond 2^53 lose their last digits. */
export interface MeasuredUsage {
  capacityBytes?: number;
  availableBytes?: number;
  usedBytes?: number;
  inodes?: number;
  inodesFree?: number;
  inodesUsed?: number;
  abnormal?: boolean;
}

export function volumeUsage({ usage = [], volumeCondition }: NodeGetVolumeStatsResponse): MeasuredUsage {
  const measured: MeasuredUsage = {};
  for (const { unit, total = 0n, available = 0n, used = 0n } of usage) {
    if (unit === Unit.BYTES) {
      measured.capacityBytes = Number(total);
      measured.availableBytes = Number(available);
      measured.usedBytes = Number(used);
    } else if (unit === Unit.INODES) {
      measured.inodes = Number(total);
      measured.inodesFree = Number(available);
      measured.inodesUsed = Number(used);
    }
  }
  if (volumeCondition !== undefined) measured.abnormal = volumeCondition.abnormal === true;
  return measured;
}
