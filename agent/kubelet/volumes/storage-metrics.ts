/**
 * Operations on volumes, and the calls of CSI drivers among them. Names, labels and buckets are upstream's
 * (`pkg/volume/util/metrics.go` 1.36).
 */
import type { Histogram, MetricsRegistry } from '../../../machinery/process/metrics.ts';
import type { GrpcCode } from '../runtime/runtime-error.ts';

const BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];
/** Volumes of in-tree plugins that drivers took over are not served here. */
const MIGRATED = 'false';

export class StorageMetrics {
  private readonly operations: Histogram;
  private readonly csiCalls: Histogram;

  constructor(registry: MetricsRegistry) {
    this.operations = registry.histogram(
      'storage_operation_duration_seconds',
      '[ALPHA] Storage operation duration',
      ['volume_plugin', 'operation_name', 'status', 'migrated'],
      BUCKETS,
    );
    this.csiCalls = registry.histogram(
      'csi_operations_seconds',
      '[ALPHA] Container Storage Interface operation duration with gRPC error code status total',
      ['driver_name', 'method_name', 'grpc_status_code', 'migrated'],
      BUCKETS,
    );
  }

  /** @param plugin as its folder is called: `kubernetes.io~nfs` */
  async operation<T>(
    plugin: string,
    name: 'volume_mount' | 'map_volume' | 'volume_unmount' | 'unmap_volume',
    act: () => Promise<T>,
  ): Promise<T> {
    const startedMs = performance.now();
    let status = 'fail-unknown';
    try {
      const result = await act();
      status = 'success';
      return result;
    } finally {
      const labels = [plugin.replace('~', '/'), name, status, MIGRATED];
      this.operations.observe((performance.now() - startedMs) / 1000, labels);
    }
  }

  /** @param path of the call: `/csi.v1.Node/NodePublishVolume` */
  csiCall(driver: string, path: string, code: GrpcCode, seconds: number): void {
    this.csiCalls.observe(seconds, [driver, path, code, MIGRATED]);
  }
}
