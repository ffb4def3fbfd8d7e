/**
 * Connections to one address and port, each joined with one to an endpoint.
 *
 * - Nothing is read from a client before its endpoint has taken the connection, and never more than the other side takes: what is on
 *   its way is bounded by the kernel's buffers and one of ours.
 * - Each direction ends by itself; an end that was none (a reset) is one for the other side too.
 * - Other endpoints concern new connections only; those that stand go on.
 * - An endpoint that refuses or does not answer is passed over for the next.
 */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { peerAddress } from '../../../machinery/process/listen-host.ts';
import type { SocketPlan } from '../plan/userspace-sockets.ts';
import { endpointsFor } from './client-rules.ts';
import type { ClientContext } from './client-rules.ts';
import { EndpointChooser, endpointKey } from './endpoint-chooser.ts';

const CONNECT_MS = 2_000;
const KEEP_ALIVE_MS = 60_000;

export class TcpForwarder {
  private readonly context: ClientContext;
  private readonly chooser: EndpointChooser;
  private readonly server: Server;
  private plan: SocketPlan;

  constructor(plan: SocketPlan, context: ClientContext) {
    this.plan = plan;
    this.context = context;
    this.chooser = new EndpointChooser(plan.affinitySeconds);
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, client =>
      this.accept(client),
    );
  }

  /** @throws Error of the system when the port cannot be had */
  listen(): Promise<void> {
    const { address: host, port } = this.plan;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, exclusive: true, ipv6Only: true, backlog: 1_024 }, () => {
        this.server.removeAllListeners('error');
        // Such as no file descriptors left: those who wait are taken later.
        this.server.on('error', () => {});
        // Nobody waits for clients when the process is to end.
        this.server.unref();
        resolve();
      });
    });
  }

  /** From now on; the address, port and affinity are as before. */
  update(plan: SocketPlan): void {
    this.plan = plan;
  }

  /** Takes no new connections; resolves at once, those that stand go on. */
  close(): Promise<void> {
    this.server.close(() => {});
    return Promise.resolve();
  }

  private accept(client: Socket): void {
    client.on('error', () => client.destroy());
    this.join(client, plainAddress(client.remoteAddress), plainAddress(client.localAddress), new Set());
  }

  private join(client: Socket, from: string, asked: string, tried: Set<string>): void {
    if (client.destroyed) return;
    const endpoints = endpointsFor(this.plan, from, asked, this.context) ?? [];
    const endpoint = this.chooser.choose(from, endpoints, tried);
    if (endpoint === undefined) return void client.resetAndDestroy();
    const server = connect({ host: endpoint.ip, port: endpoint.port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => server.destroy(new Error('no answer')), CONNECT_MS);
    const another = (): void => {
      clearTimeout(timer);
      tried.add(endpointKey(endpoint));
      this.join(client, from, asked, tried);
    };
    server.on('error', () => {});
    server.once('close', another);
    server.once('connect', () => {
      clearTimeout(timer);
      server.off('close', another);
      if (client.destroyed) return void server.resetAndDestroy();
      joinEnds(client, server);
    });
  }
}

function joinEnds(client: Socket, server: Socket): void {
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.setKeepAlive(true, KEEP_ALIVE_MS).unref();
    one.on('error', () => other.resetAndDestroy());
    one.on('close', hadError => hadError && !other.destroyed && other.resetAndDestroy());
    one.pipe(other);
  }
}

/** Without what an IPv6 socket adds, the zone of a link-local address among it. */
function plainAddress(address: string | undefined): string {
  return peerAddress(address).replace(/%.*$/, '');
}
