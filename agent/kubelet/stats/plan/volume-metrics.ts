/** How full claims are that pods of this node use: `kubelet_volume_stats_*`. Source: kubernetes `pkg/kubelet/metrics/collectors/volume_stats.go`, 1.36. Pure. */
import type { Family, Series } from './family.ts';
import type { VolumeSample } from './sample.ts';

const FIGURES = [
  ['capacity_bytes', 'Capacity in bytes of the volume', ({ capacityBytes }: VolumeSample) => capacityBytes],
  ['available_bytes', 'Number of available bytes in the volume', ({ availableBytes }: VolumeSample) => availableBytes],
  ['used_bytes', 'Number of used bytes in the volume', ({ usedBytes }: VolumeSample) => usedBytes],
  ['inodes', 'Maximum number of inodes in the volume', ({ inodes }: VolumeSample) => inodes],
  ['inodes_free', 'Number of free inodes in the volume', ({ inodesFree }: VolumeSample) => inodesFree],
  ['inodes_used', 'Number of used inodes in the volume', ({ inodesUsed }: VolumeSample) => inodesUsed],
  [
    'health_status_abnormal',
    'Abnormal volume health status. The count is either 1 or 0. 1 indicates the volume is unhealthy, 0 indicates volume is healthy',
    ({ abnormal }: VolumeSample) => (abnormal === undefined ? undefined : Number(abnormal)),
  ],
] as const;

/** A claim that several pods use is told once. */
export function volumeMetrics(volumes: readonly VolumeSample[]): Family[] {
  const claims = new Map(
    volumes.flatMap(volume =>
      volume.claim === undefined ? [] : [[`${volume.claim.namespace}/${volume.claim.name}`, volume] as const],
    ),
  );
  return FIGURES.map(([name, help, figure]) => ({
    name: `kubelet_volume_stats_${name}`,
    help: `[ALPHA] ${help}`,
    type: 'gauge',
    series: [...claims.values()].flatMap((volume): Series[] => {
      const value = figure(volume);
      const { namespace = '', name: claim = '' } = volume.claim ?? {};
      return value === undefined ? [] : [{ labels: { namespace, persistentvolumeclaim: claim }, value }];
    }),
  }));
}
