/**
 * The API server's metrics under upstream's names and labels.
 *
 * Labels say nothing that a client can make up: what is not served is counted without a name.
 * Source: apiserver `pkg/endpoints/metrics/metrics.go`, etcd3 `metrics.go`, cacher `metrics.go`, 1.36.
 */
import { MetricsRegistry, type Histogram } from '../../../machinery/process/metrics.ts';
import { processMetrics } from '../../../machinery/process/process-metrics.ts';
import type { ResourceSet } from '../registry/resource-set.ts';
import type { Exchange, Filter } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import { versionInfo } from './version.ts';

const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const TARGET = ['group', 'version', 'resource', 'subresource', 'scope'] as const;
const READING = new Set(['get', 'list', 'watch']);
const CONNECTING = new Set(['attach', 'exec', 'portforward', 'proxy']);
const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);
const PATHS = new Set(['', 'api', 'apis', 'healthz', 'livez', 'metrics', 'openapi', 'openid', 'readyz', 'version']);

export class ApiMetrics {
  readonly registry = new MetricsRegistry();
  readonly #requests = this.registry.counter(
    'apiserver_request_total',
    'Counter of apiserver requests by verb, dry run, group, version, resource, scope, component and HTTP response code.',
    ['verb', 'dry_run', ...TARGET, 'component', 'code'],
  );
  readonly #durations: Histogram = this.registry.histogram(
    'apiserver_request_duration_seconds',
    'Response latency in seconds by verb, dry run, group, version, resource, subresource, scope and component.',
    ['verb', 'dry_run', ...TARGET, 'component'],
    SECONDS,
  );
  readonly #inFlight = this.registry.gauge(
    'apiserver_current_inflight_requests',
    'Requests that are worked on at the moment, by kind of request.',
    ['request_kind'],
  );
  readonly #longRunning = this.registry.gauge(
    'apiserver_longrunning_requests',
    'Active long-running requests by verb, group, version, resource, scope and component.',
    ['verb', ...TARGET, 'component'],
  );
  readonly #watchEvents = this.registry.counter(
    'apiserver_watch_events_total',
    'Events sent in watches by group, version and resource.',
    ['group', 'version', 'resource'],
  );
  readonly #store = this.registry.histogram(
    'etcd_request_duration_seconds',
    'Latency in seconds of requests to the store by operation, group and resource.',
    ['operation', 'group', 'resource'],
    SECONDS,
  );
  readonly #objects = this.registry.gauge('apiserver_storage_objects', 'Stored objects by resource.', ['resource']);
  readonly #received = this.registry.gauge(
    'apiserver_watch_cache_events_received_total',
    'Changes that the watch cache has got from the store, by group and resource.',
    ['group', 'resource'],
    'counter',
  );
  readonly #loads = this.registry.gauge(
    'apiserver_watch_cache_initializations_total',
    'How often the watch cache was loaded, by group and resource.',
    ['group', 'resource'],
    'counter',
  );
  readonly #resources: ResourceSet;

  constructor(resources: ResourceSet) {
    this.#resources = resources;
    for (const kind of ['mutating', 'readOnly']) this.#inFlight.set(0, [kind]);
    const { major = '', minor = '', gitVersion = '', platform = '' } = versionInfo();
    this.registry
      .gauge('kubernetes_build_info', 'Always 1; which version this is.', ['major', 'minor', 'git_version', 'platform'])
      .set(1, [major, minor, gitVersion, platform]);
    processMetrics(this.registry);
  }

  /** Counts and times every request. */
  filter(now: () => number): Filter {
    return async (exchange, next) => {
      const startMs = now();
      const { longRunning } = exchange.info;
      const verb = verbOf(exchange);
      const target = this.#target(exchange);
      const kind = [READING.has(exchange.info.verb) ? 'readOnly' : 'mutating'];
      const running = [verb, ...target, 'apiserver'];
      if (longRunning) this.#longRunning.add(1, running);
      else this.#inFlight.add(1, kind);
      const dryRun = exchange.request.rawQuery.includes('dryRun=All') ? 'All' : '';
      let code = 500;
      let goesOn = false;
      try {
        const response = await next(exchange);
        code = statusOf(response);
        if (longRunning) goesOn = staysOpen(response);
        if (response.kind !== 'watch') return response;
        const [group = '', version = '', resource = ''] = target;
        return { ...response, onSent: events => this.#watchEvents.inc([group, version, resource], events) };
      } finally {
        if (goesOn)
          exchange.request.signal.addEventListener('abort', () => this.#longRunning.add(-1, running), { once: true });
        else if (longRunning) this.#longRunning.add(-1, running);
        else this.#inFlight.add(-1, kind);
        this.#requests.inc([verb, dryRun, ...target, 'apiserver', String(code)]);
        if (!longRunning) this.#durations.observe((now() - startMs) / 1000, [verb, dryRun, ...target, 'apiserver']);
      }
    };
  }

  /** A request to the store has ended. */
  observeStore(operation: string, group: string, resource: string, seconds: number): void {
    this.#store.observe(seconds, [operation, group, resource]);
  }

  /** The body of /metrics. */
  async render(): Promise<string> {
    for (const entry of this.#resources.entries()) {
      if (entry.kind !== 'stored' || entry.resource.conversion !== undefined) continue;
      const { info, storage } = entry.resource;
      const { group, resource } = info;
      this.#objects.set(await storage.count(), [group === '' ? resource : `${resource}.${group}`]);
      const { received, loads } = storage.statistics();
      this.#received.set(received, [group, resource]);
      this.#loads.set(loads, [group, resource]);
    }
    return this.registry.render();
  }

  #target({ info }: Exchange): string[] {
    const { isResource, group, version, resource, subresource, namespace, name, verb, path } = info;
    if (!isResource) {
      const first = path.split('/', 2)[1] ?? '';
      return ['', '', '', PATHS.has(first) ? `/${first}` : '', ''];
    }
    const entry = this.#resources.get(group, version, resource);
    if (entry === undefined) return ['', '', '', '', ''];
    const sub = entry.kind === 'stored' && entry.subresources.has(subresource) ? subresource : '';
    const scope = name !== '' || verb === 'create' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster';
    return [group, version, resource, sub, scope];
  }
}

/** Upstream's words: the HTTP method, or LIST, WATCH, APPLY, DELETECOLLECTION and CONNECT. */
function verbOf({ info, request }: Exchange): string {
  const { isResource, verb, subresource } = info;
  if (isResource && CONNECTING.has(subresource)) return 'CONNECT';
  if (verb === 'list' || verb === 'watch' || verb === 'deletecollection') return verb.toUpperCase();
  if (verb === 'patch' && request.headers['content-type'] === 'application/apply-patch+yaml') return 'APPLY';
  return METHODS.has(request.method) ? request.method : 'other';
}

/** The answer goes on until the carrier says that it is over. */
function staysOpen({ kind }: Response): boolean {
  return kind === 'watch' || kind === 'stream' || kind === 'hijacked';
}

function statusOf(response: Response): number {
  switch (response.kind) {
    case 'list':
    case 'watch':
      return 200;
    case 'hijacked':
      return 101;
    default:
      return response.status;
  }
}
