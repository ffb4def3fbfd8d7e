/**
 * How many claims and volumes there are and how they stand, under upstream's names; counted when somebody asks.
 * Source: kubernetes `pkg/controller/volume/persistentvolume/metrics`, 1.36.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { storageClassOf, volumeModeOf } from '../../../machinery/meta/volume-match.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

export interface VolumeLists {
  readonly claims: { list(): readonly PersistentVolumeClaim[] };
  readonly volumes: { list(): readonly PersistentVolume[] };
}

export function volumeMetrics(registry: MetricsRegistry, { claims, volumes }: VolumeLists): void {
  const family = (name: string, help: string, labels: readonly string[]): ((values: Iterable<string[]>) => void) => {
    const gauge = registry.gauge(`pv_collector_${name}`, help, labels);
    return values => {
      gauge.forget(() => true);
      for (const value of values) gauge.add(1, value);
    };
  };
  const ofVolume = ['storage_class'];
  const ofClaim = ['namespace', 'storage_class', 'volume_attributes_class'];
  const bound = family('bound_pv_count', 'Persistent volumes that are bound.', ofVolume);
  const unbound = family('unbound_pv_count', 'Persistent volumes that are not bound.', ofVolume);
  const boundClaims = family('bound_pvc_count', 'Claims that are bound.', ofClaim);
  const unboundClaims = family('unbound_pvc_count', 'Claims that are not bound.', ofClaim);
  const total = family('total_pv_count', 'Persistent volumes.', ['plugin_name', 'volume_mode']);
  registry.onScrape(() => {
    const all = volumes.list();
    const isBound = ({ status }: PersistentVolume | PersistentVolumeClaim): boolean => status?.phase === 'Bound';
    const classOf = (volume: PersistentVolume): string[] => [storageClassOf(volume)];
    bound(all.filter(isBound).map(classOf));
    unbound(all.filter(volume => !isBound(volume)).map(classOf));
    total(all.map(volume => [pluginOf(volume), volumeModeOf(volume)]));
    const labelsOf = (claim: PersistentVolumeClaim): string[] => [
      claim.metadata.namespace ?? '',
      storageClassOf(claim),
      claim.spec.volumeAttributesClassName ?? '',
    ];
    const wanted = claims.list();
    boundClaims(wanted.filter(isBound).map(labelsOf));
    unboundClaims(wanted.filter(claim => !isBound(claim)).map(labelsOf));
  });
}

/** What upstream calls the kind of volume. */
function pluginOf({ spec }: PersistentVolume): string {
  if (spec.csi !== undefined) return `kubernetes.io/csi:${spec.csi.driver}`;
  if (spec.local !== undefined) return 'kubernetes.io/local-volume';
  if (spec.hostPath !== undefined) return 'kubernetes.io/host-path';
  return spec.nfs === undefined ? 'N/A' : 'kubernetes.io/nfs';
}
