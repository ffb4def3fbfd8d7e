/**
 * HTTP without TLS or credentials: the local health port, and upstream's read-only port, when the configuration asks for them.
 */
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Component } from '../../../machinery/process/component.ts';
import { Listener } from './listener.ts';
import type { RequestHandler } from './request-handler.ts';

export interface PlainServerOptions {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** By which the port is changed. */
  readonly setting: string;
  readonly handler: RequestHandler;
}

const KEEP_ALIVE_MS = 90_000;
const HEADERS_MS = 20_000;
const CHECK_MS = 10_000;

export class PlainServer implements Component {
  readonly name: string;
  private readonly options: PlainServerOptions;
  private readonly server: Server;
  private readonly listener: Listener;

  constructor(options: PlainServerOptions) {
    this.name = options.name;
    this.options = options;
    const { handler } = options;
    this.server = createServer({
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    });
    this.server.on('request', (request, response) => handler.onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => handler.onUpgrade(request, socket as Socket, head));
    const { name, host, port, setting } = options;
    this.listener = new Listener(this.server, { host, port, what: `The kubelet's ${name}`, setting });
  }

  ready(): Promise<void> {
    return this.listener.listening;
  }

  /** @throws when the port is taken, naming it */
  async run(signal: AbortSignal): Promise<void> {
    await this.listener.run(signal);
    this.options.handler.stop();
    this.server.closeAllConnections();
  }
}
