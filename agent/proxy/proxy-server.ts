/**
 * What the proxy tells over HTTP: `/metrics` and `/proxyMode` on one socket, `/healthz` and `/livez` for load balancers on another, as
 * kube-proxy does on its ports 10249 and 10256. Either may be left out; one whose port is taken waits for it.
 */
import type { ServerResponse } from 'node:http';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { PatientServer } from './patient-server.ts';
import type { ProxyMode } from './plan/decide-mode.ts';
import type { HealthAnswer, ProxyHealth } from './proxy-health.ts';
import type { ProxyMetrics } from './proxy-metrics.ts';

interface Socket {
  readonly host: string;
  readonly port: number;
}

export interface ProxyServerOptions {
  readonly metricsSocket: Socket | undefined;
  readonly healthSocket: Socket | undefined;
  readonly mode: ProxyMode;
  readonly registry: MetricsRegistry;
  readonly metrics: ProxyMetrics;
  readonly health: ProxyHealth;
  readonly clock: Clock;
  readonly log: Logger;
}

type Routes = Readonly<Record<string, (response: ServerResponse) => void>>;

export class ProxyServer implements Component {
  readonly name = 'proxy-server';
  private readonly options: ProxyServerOptions;

  constructor(options: ProxyServerOptions) {
    this.options = options;
  }

  /** Nobody has to wait for it. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { metricsSocket, healthSocket, mode, registry, health, metrics } = this.options;
    const servers = [
      this.serve(metricsSocket, {
        '/metrics': response => send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', registry.render()),
        '/proxyMode': response => send(response, 200, 'text/plain; charset=utf-8', mode),
        '/healthz': response => send(response, 200, 'text/plain; charset=utf-8', 'ok'),
      }),
      this.serve(healthSocket, {
        '/healthz': response => metrics.answered('healthz', sendHealth(response, health.healthz())),
        '/livez': response => metrics.answered('livez', sendHealth(response, health.livez())),
      }),
    ];
    await aborted(signal);
    await Promise.all(servers.map(server => server?.close()));
  }

  private serve(socket: Socket | undefined, routes: Routes): PatientServer | undefined {
    if (socket === undefined) return undefined;
    const { clock, log } = this.options;
    return new PatientServer({
      ...socket,
      clock,
      handler: (request, response) => {
        const path = (request.url ?? '').replace(/\?.*$/s, '');
        const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
        if (route === undefined) send(response, 404, 'text/plain; charset=utf-8', '404 page not found\n');
        else route(response);
      },
      onProblem: why => {
        if (why === undefined) log.info(socket, 'the proxy answers there now');
        else log.warn({ ...socket, error: why }, 'the proxy cannot answer there yet; it tries again');
      },
    });
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body);
}

/** @returns the status sent */
function sendHealth(response: ServerResponse, { ok, body }: HealthAnswer): number {
  const status = ok ? 200 : 503;
  send(response, status, 'application/json', body);
  return status;
}
