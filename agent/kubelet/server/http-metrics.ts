/** Counts requests under upstream's names. Source: kubernetes `pkg/kubelet/server/metrics/metrics.go`, 1.36. */
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

const LABELS = ['method', 'path', 'server_type', 'long_running'];
const METHODS = new Set(['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']);
/** As upstream spells them: `portForward` is none of them there. */
const LONG_RUNNING = new Set(['exec', 'attach', 'portforward', 'debug']);
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type ServerType = 'readwrite' | 'readonly';

export class HttpMetrics {
  private readonly total;
  private readonly inflight;
  private readonly seconds;

  constructor(registry: MetricsRegistry) {
    this.total = registry.counter(
      'kubelet_http_requests_total',
      '[ALPHA] Number of the http requests received since the server started',
      LABELS,
    );
    this.inflight = registry.gauge(
      'kubelet_http_inflight_requests',
      '[ALPHA] Number of the inflight http requests',
      LABELS,
    );
    this.seconds = registry.histogram(
      'kubelet_http_requests_duration_seconds',
      '[ALPHA] Duration in seconds to serve http requests',
      LABELS,
      BUCKETS,
    );
  }

  /** A request began. @returns to be called when it is over */
  begin(method: string, path: string, server: ServerType): () => void {
    const labels = [METHODS.has(method) ? method : 'other', path, server, String(LONG_RUNNING.has(path))];
    const startedMs = performance.now();
    this.total.inc(labels);
    this.inflight.add(1, labels);
    return () => {
      this.inflight.add(-1, labels);
      this.seconds.observe((performance.now() - startedMs) / 1000, labels);
    };
  }
}
