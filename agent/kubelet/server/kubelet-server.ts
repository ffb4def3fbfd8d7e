/**
 * The kubelet's API: HTTPS on the node, for the API server (logs, exec, attach, port-forward) and for whoever may read metrics.
 * Paths are upstream's (`/containerLogs/NS/POD/CONTAINER`, `/exec/NS/POD[/UID]/CONTAINER`, ...).
 */
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Component } from '../../../machinery/process/component.ts';
import { Listener } from './listener.ts';
import type { RequestHandler } from './request-handler.ts';
import type { ServingTls } from './serving-tls.ts';

export interface KubeletServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ServingTls;
  readonly handler: RequestHandler;
}

/** Upstream's bounds: commands of exec stand in the path. */
const MAX_HEADER_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 90_000;
/** Nobody honest takes longer to shake hands or to say what it wants. */
const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 20_000;
const CHECK_MS = 10_000;

export class KubeletServer implements Component {
  readonly name = 'kubelet-server';
  private readonly options: KubeletServerOptions;
  private readonly server: Server;
  private readonly listener: Listener;

  /** @throws Error when certificate files cannot be read */
  constructor(options: KubeletServerOptions) {
    this.options = options;
    const { tls, handler } = options;
    this.server = createServer({
      ...tls.context(),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    this.server.on('connection', () => tls.recheck(this.server, Date.now()));
    this.server.on('request', (request, response) => handler.onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => handler.onUpgrade(request, socket as Socket, head));
    this.server.on('tlsClientError', (_error, socket) => socket.destroy());
    const { host, port } = options;
    this.listener = new Listener(this.server, { host, port, what: 'The kubelet', setting: '--kubelet-port' });
  }

  ready(): Promise<void> {
    return this.listener.listening;
  }

  /** Shows new connections the certificate that is good now; those that are there go on. */
  renewCertificate(): void {
    this.options.tls.renew(this.server);
  }

  /** @throws when the port is taken, naming it */
  async run(signal: AbortSignal): Promise<void> {
    await this.listener.run(signal);
    this.options.handler.stop();
    this.server.closeAllConnections();
  }
}
