/**
 * Answers load balancers on the health-check node ports of services with `externalTrafficPolicy: Local`: whether this node has endpoints of
 * the service, one HTTP server a port and address.
 *
 * Source: kube-proxy's service health server (v1.34, pkg/proxy/healthcheck): status, headers and fields are what load balancers read.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../machinery/process/clock.ts';
import { PatientServer } from './patient-server.ts';
import type { AddressFamily } from './plan/address.ts';

export interface HealthCheck {
  readonly port: number;
  /** How many ready endpoints of the family this node has. */
  readonly localEndpoints: number;
}

export interface HealthCheckServersOptions {
  /** Whether rules are as services ask. */
  readonly isKeepingUp: () => boolean;
  /** On which addresses node ports answer. */
  readonly addresses: () => 'all' | readonly string[];
  readonly clock: Clock;
  /** Told of a port that cannot be had, and with no message once it can. @param service `namespace/name` */
  readonly onProblem: (service: string, message: string | undefined) => void;
}

export class HealthCheckServers {
  private readonly options: HealthCheckServersOptions;
  private readonly checks = new Map<string, Map<AddressFamily, HealthCheck>>();
  private readonly listening = new Map<string, { port: number; servers: readonly PatientServer[] }>();
  private addresses: 'all' | readonly string[];
  private closed = false;

  constructor(options: HealthCheckServersOptions) {
    this.options = options;
    this.addresses = options.addresses();
  }

  /** @param service `namespace/name` @param check undefined if it has none in this family */
  set(family: AddressFamily, service: string, check: HealthCheck | undefined): void {
    const known = this.checks.get(service);
    if (check === undefined) {
      if (known?.delete(family) !== true) return;
      if (known.size === 0) this.checks.delete(service);
    } else if (known === undefined) this.checks.set(service, new Map([[family, check]]));
    else known.set(family, check);
    this.follow(service);
  }

  /** The addresses may be others now. */
  async listenAnew(): Promise<void> {
    const now = this.options.addresses();
    if (now.toString() === this.addresses.toString()) return;
    this.addresses = now;
    const services = [...this.listening.keys()];
    await Promise.all(services.map(service => this.stop(service)));
    for (const service of services) this.follow(service);
  }

  /** Lets all ports go. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.listening.keys()].map(service => this.stop(service)));
  }

  private follow(service: string): void {
    const [check] = this.checks.get(service)?.values() ?? [];
    const current = this.listening.get(service);
    if (current?.port === check?.port) return;
    // Another service may take the port at once; whoever comes too early waits.
    if (current !== undefined) void this.stop(service);
    if (check === undefined || this.closed) return;
    const { port } = check;
    const { clock, onProblem } = this.options;
    const servers = (this.addresses === 'all' ? [undefined] : this.addresses).map(
      host =>
        new PatientServer({
          host,
          port,
          clock,
          handler: (request, response) => this.answer(service, request, response),
          onProblem: why =>
            onProblem(
              service,
              why === undefined ? undefined : `nobody answers on health-check node port ${port}: ${why}`,
            ),
        }),
    );
    this.listening.set(service, { port, servers });
  }

  private async stop(service: string): Promise<void> {
    const entry = this.listening.get(service);
    this.listening.delete(service);
    await Promise.all(entry?.servers.map(server => server.close()) ?? []);
  }

  private answer(service: string, request: IncomingMessage, response: ServerResponse): void {
    const checks = this.checks.get(service);
    const address = request.socket.localAddress?.replace(/^::ffff:/, '') ?? '';
    const check = checks?.get(address.includes(':') ? 'IPv6' : 'IPv4') ?? [...(checks?.values() ?? [])][0];
    const localEndpoints = check?.localEndpoints ?? 0;
    const serviceProxyHealthy = this.options.isKeepingUp();
    const slash = service.indexOf('/');
    response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
      'x-load-balancing-endpoint-weight': String(localEndpoints),
    });
    const about = { namespace: service.slice(0, slash), name: service.slice(slash + 1) };
    response.end(JSON.stringify({ service: about, localEndpoints, serviceProxyHealthy }, undefined, '\t'));
  }
}
