/** What is told of cluster DNS over HTTP: `/metrics`, `/ready` (services are known and questions answered) and `/health`. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { DnsServer } from './dns-server.ts';
import type { ListenAddress } from './udp-listener.ts';

export interface DnsHttpOptions {
  readonly listen: readonly ListenAddress[];
  readonly server: Pick<DnsServer, 'canAnswer' | 'measure'>;
  readonly registry: MetricsRegistry;
  readonly log: Logger;
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const MAX_CONNECTIONS = 32;
const REQUEST_TIMEOUT_MS = 10_000;

export class DnsHttp implements Component {
  readonly name = 'dns-http';
  private readonly options: DnsHttpOptions;

  constructor(options: DnsHttpOptions) {
    this.options = options;
    options.registry.onScrape(() => options.server.measure());
  }

  /** Nobody waits for it. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  /** An address that is taken is told and does without: names matter more than figures. */
  async run(signal: AbortSignal): Promise<void> {
    const servers = this.options.listen.map(at => this.listen(at));
    await aborted(signal);
    await Promise.all(
      servers.map(server => {
        server.closeAllConnections();
        return new Promise(resolve => server.close(resolve));
      }),
    );
  }

  private listen({ address, port }: ListenAddress): Server {
    const { log } = this.options;
    const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
      const { status, type, body } = this.reply(request.method ?? '', request.url ?? '');
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', error => log.warn({ address, port, error: error.message }, 'metrics of cluster DNS'));
    return server.listen({ host: address, port, exclusive: true });
  }

  private reply(method: string, url: string): { status: number; type: string; body: string } {
    const text = (status: number, body: string) => ({ status, type: 'text/plain; charset=utf-8', body });
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'Method Not Allowed');
    switch (url.split('?')[0]) {
      case '/metrics':
        return { status: 200, type: METRICS_TYPE, body: this.options.registry.render() };
      case '/ready':
        return this.options.server.canAnswer() ? text(200, 'OK') : text(503, 'services are not known yet');
      case '/health':
        return text(200, 'OK');
      default:
        return text(404, 'not here; try /metrics, /ready or /health');
    }
  }
}
