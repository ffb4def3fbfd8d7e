/**
 * What the kubelet counts of images and credential providers. Names, labels and buckets are upstream's
 * (`pkg/kubelet/metrics/metrics.go`, `pkg/credentialprovider/plugin/metrics.go` 1.36).
 */
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

const PULL_BUCKETS = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];
const PROVIDER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const MB = 1024 * 1024;
const GB = 1024 * MB;
/** From how many bytes on a size is called what. */
const SIZES: readonly (readonly [number, string])[] = [
  [100 * GB, 'GT100GB'],
  [60 * GB, '60GB-100GB'],
  [40 * GB, '40GB-60GB'],
  [30 * GB, '30GB-40GB'],
  [20 * GB, '20GB-30GB'],
  [10 * GB, '10GB-20GB'],
  [5 * GB, '5GB-10GB'],
  [GB, '1GB-5GB'],
  [500 * MB, '500MB-1GB'],
  [100 * MB, '100MB-500MB'],
  [10 * MB, '10MB-100MB'],
  [1, '0-10MB'],
];

export class ImageMetrics {
  private readonly pullSeconds;
  private readonly providerErrors;
  private readonly providerSeconds;

  constructor(registry: MetricsRegistry) {
    this.pullSeconds = registry.histogram(
      'kubelet_image_pull_duration_seconds',
      '[ALPHA] Duration in seconds to pull an image.',
      ['image_size_in_bytes'],
      PULL_BUCKETS,
    );
    this.providerErrors = registry.counter(
      'kubelet_credential_provider_plugin_errors',
      '[ALPHA] Number of errors from credential provider plugin',
      ['plugin_name'],
    );
    this.providerSeconds = registry.histogram(
      'kubelet_credential_provider_plugin_duration',
      '[ALPHA] Duration of execution in seconds for credential provider plugin',
      ['plugin_name'],
      PROVIDER_BUCKETS,
    );
  }

  /** @param seconds with waiting for a place */
  imagePulled(sizeBytes: number, seconds: number): void {
    const size = SIZES.find(([bytes]) => sizeBytes >= bytes)?.[1] ?? 'N/A';
    this.pullSeconds.observe(seconds, [size]);
  }

  credentialProviderRan(name: string, seconds: number, failed: boolean): void {
    this.providerSeconds.observe(seconds, [name]);
    if (failed) this.providerErrors.inc([name]);
  }
}
