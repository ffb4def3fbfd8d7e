/**
 * The port of a part that works beside the API server, as kube-scheduler (10259) and kube-controller-manager (10257) have theirs: /metrics,
 * /healthz, /livez, /readyz. Who may ask is decided by the API server's own filters: a role that allows `nonResourceURLs: [/metrics]`.
 *
 * It is a courtesy: a port that somebody has is waited for, and the part works meanwhile.
 */
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { healthResponse, type HealthCheck } from './discovery/health.ts';
import { methodNotAllowed } from './rest/refusals.ts';
import type { Exchange, Handler } from './server/exchange.ts';
import type { Response } from './server/request.ts';
import type { WireRequest } from './server/wire-request.ts';
import type { Sink } from './server/send-response.ts';
import { TlsServer, type TlsMaterial } from './server/tls-server.ts';

const RETRY_MS = 30_000;

export interface ComponentEndpoint {
  /** What it is called in logs: `scheduler`. */
  readonly name: string;
  readonly bindAddress: string;
  readonly port: number;
  /** The body of /metrics. */
  metrics(): string;
  /** Whether the part works. */
  isReady(): boolean;
}

export interface ComponentServerOptions extends ComponentEndpoint {
  readonly tls: TlsMaterial;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Puts authentication and authorization before a handler. */
  guarded(handler: Handler): Handler;
  serve(handler: Handler, request: WireRequest, sink: Sink): Promise<void>;
}

export class ComponentServer implements Component {
  readonly name: string;
  readonly #options: ComponentServerOptions;

  constructor(options: ComponentServerOptions) {
    this.#options = options;
    this.name = `${options.name}-server`;
  }

  /** Nobody has to wait for it. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, tls, bindAddress, port } = this.#options;
    const handler = this.#options.guarded(componentHandler(this.#options));
    for (let tried = 0; !signal.aborted; tried++) {
      const server = new TlsServer({
        tls,
        bindAddress,
        port,
        logger,
        who: `The ${this.#options.name}'s metrics`,
        flags: { port: `--${this.#options.name}-bind-address`, address: `--${this.#options.name}-bind-address` },
        serve: (request, sink) => this.#options.serve(handler, request, sink),
      });
      try {
        await server.listen();
      } catch (error) {
        if (tried === 0) logger.warn({ err: error }, 'Metrics cannot be served yet; trying again');
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
        continue;
      }
      if (tried > 0) logger.info({ bindAddress, port }, 'Metrics are served now');
      await aborted(signal);
      await server.close();
    }
  }
}

/** What stands behind the filters. */
function componentHandler({ metrics, isReady }: ComponentEndpoint): Handler {
  const working: HealthCheck = {
    name: 'working',
    check() {
      if (!isReady()) throw new Error('not started');
    },
  };
  const ping: HealthCheck = { name: 'ping', check: () => {} };
  const answer = async (exchange: Exchange, path: string): Promise<Response | undefined> => {
    const first = /^\/[^/]*/.exec(path)?.[0] ?? '';
    if (first === '/healthz' || first === '/livez') return healthResponse(exchange, first, [ping]);
    if (first === '/readyz') return healthResponse(exchange, first, [ping, working]);
    if (path !== '/metrics') return undefined;
    return { kind: 'bytes', status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: metrics() };
  };
  return async exchange => {
    const { method, path } = exchange.request;
    const found = await answer(exchange, path);
    if (found === undefined)
      return { kind: 'bytes', status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' };
    return method === 'GET' || method === 'HEAD' ? found : methodNotAllowed(['GET']);
  };
}
