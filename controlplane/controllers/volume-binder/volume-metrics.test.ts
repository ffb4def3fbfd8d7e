import { expect, test } from '@jest/globals';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { volumeMetrics } from './volume-metrics.ts';

test('volumeMetrics() counts what there is when somebody asks', () => {
  const volume = (storageClassName: string, phase: string): PersistentVolume => ({
    metadata: {},
    spec: { storageClassName, local: { path: '/x' } },
    status: { phase },
  });
  const claim = (phase: string): PersistentVolumeClaim => ({
    metadata: { namespace: 'n' },
    spec: { storageClassName: 'a' },
    status: { phase },
  });
  const volumes = [volume('a', 'Bound'), volume('a', 'Bound'), volume('b', 'Available')];
  const claims = [claim('Pending')];
  const registry = new MetricsRegistry();
  volumeMetrics(registry, { claims: { list: () => claims }, volumes: { list: () => volumes } });
  const samples = (): string[] =>
    registry
      .render()
      .split('\n')
      .filter(line => line.startsWith('pv_collector_'));
  expect(samples()).toEqual([
    'pv_collector_bound_pv_count{storage_class="a"} 2',
    'pv_collector_unbound_pv_count{storage_class="b"} 1',
    'pv_collector_unbound_pvc_count{namespace="n",storage_class="a",volume_attributes_class=""} 1',
    'pv_collector_total_pv_count{plugin_name="kubernetes.io/local-volume",volume_mode="Filesystem"} 3',
  ]);
  volumes.length = 0;
  claims.splice(0, 1, claim('Bound'));
  expect(samples()).toEqual([
    'pv_collector_bound_pvc_count{namespace="n",storage_class="a",volume_attributes_class=""} 1',
  ]);
});
