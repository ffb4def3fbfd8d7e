/** Certificates of the node, under upstream's names. Source: kubernetes `pkg/kubelet/certificate`, `cmd/kubelet/app`, 1.36. */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

type Kind = 'client' | 'server';

const ROTATION_BUCKETS = [
  60, 3_600, 14_400, 86_400, 604_800, 2_592_000, 7_776_000, 15_552_000, 31_104_000, 124_416_000,
];
const TTL_HELP = {
  client:
    "[ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until certificate expiry (negative if already expired).",
  server:
    "[ALPHA] Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired).",
};
const ERRORS = {
  client: 'kubelet_certificate_manager_client_expiration_renew_errors',
  server: 'kubelet_server_expiration_renew_errors',
} as const;

export class CertificateMetrics {
  private readonly registry: MetricsRegistry;
  private readonly clock: Clock;

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.registry = registry;
    this.clock = clock;
  }

  /** @param endsAtMs when the certificate ends that is used now */
  follow(kind: Kind, endsAtMs: () => number): void {
    const ttl = this.registry.gauge(`kubelet_certificate_manager_${kind}_ttl_seconds`, TTL_HELP[kind]);
    this.registry.onScrape(() => ttl.set(Math.round((endsAtMs() - this.clock.now()) / 1000)));
    this.errors(kind);
    if (kind === 'server') this.rotations();
  }

  rotated(kind: Kind, ageSeconds: number): void {
    if (kind === 'server') this.rotations().observe(ageSeconds);
  }

  failed(kind: Kind): void {
    this.errors(kind).inc();
  }

  private errors(kind: Kind) {
    return this.registry.counter(ERRORS[kind], '[ALPHA] Counter of certificate renewal errors.');
  }

  private rotations() {
    return this.registry.histogram(
      'kubelet_certificate_manager_server_rotation_seconds',
      '[ALPHA] Histogram of the number of seconds the previous certificate lived before being rotated.',
      [],
      ROTATION_BUCKETS,
    );
  }
}
