/**
 * Requests to the API server and work queues, under upstream's names (component-base `metrics/prometheus/{restclient,workqueue}`, 1.36).
 */
import type { RequestObserver } from './metered-transport.ts';
import type { WorkQueue } from './work-queue.ts';
import type { MetricsRegistry } from '../process/metrics.ts';

const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** Of work queues, in seconds. */
const WORK_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10];

/** @param host that the requests go to, as the label of that name says it */
export function requestMetrics(registry: MetricsRegistry, host: string): RequestObserver {
  const total = registry.counter(
    'rest_client_requests_total',
    '[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.',
    ['code', 'host', 'method'],
  );
  const seconds = registry.histogram(
    'rest_client_request_duration_seconds',
    '[ALPHA] Request latency in seconds. Broken down by verb, and host.',
    ['host', 'verb'],
    REQUEST_BUCKETS,
  );
  return (method, code, tookSeconds) => {
    total.inc([code, host, method]);
    seconds.observe(tookSeconds, [host, method]);
  };
}

/** Counts what becomes of the queue's keys from now on. */
export function queueMetrics<K>(registry: MetricsRegistry, name: string, queue: WorkQueue<K>): void {
  const labels = [name];
  const depth = registry.gauge('workqueue_depth', '[ALPHA] Current depth of workqueue', ['name']);
  const adds = registry.counter('workqueue_adds_total', '[ALPHA] Total number of adds handled by workqueue', ['name']);
  const retries = registry.counter('workqueue_retries_total', '[ALPHA] Total number of retries handled by workqueue', [
    'name',
  ]);
  const waited = registry.histogram(
    'workqueue_queue_duration_seconds',
    '[ALPHA] How long in seconds an item stays in workqueue before being requested.',
    ['name'],
    WORK_BUCKETS,
  );
  const worked = registry.histogram(
    'workqueue_work_duration_seconds',
    '[ALPHA] How long in seconds processing an item from workqueue takes.',
    ['name'],
    WORK_BUCKETS,
  );
  const unfinished = registry.gauge(
    'workqueue_unfinished_work_seconds',
    '[ALPHA] How many seconds of work the items that are being processed have taken so far.',
    ['name'],
  );
  const longest = registry.gauge(
    'workqueue_longest_running_processor_seconds',
    '[ALPHA] How many seconds the longest running processor of the workqueue has been running.',
    ['name'],
  );
  queue.observer = {
    added: () => adds.inc(labels),
    retried: () => retries.inc(labels),
    taken: waitedMs => waited.observe(waitedMs / 1000, labels),
    ended: tookMs => worked.observe(tookMs / 1000, labels),
  };
  registry.onScrape(() => {
    const seconds = queue.runningMs().map(ms => ms / 1000);
    depth.set(queue.depth, labels);
    unfinished.set(
      seconds.reduce((sum, n) => sum + n, 0),
      labels,
    );
    longest.set(Math.max(0, ...seconds), labels);
  });
}
