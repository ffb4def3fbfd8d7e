/**
 * One TLS port for HTTP/2 and HTTP/1.1. HTTP/2 goes through the stream API (a fifth faster than Node's compatibility layer); HTTP/1.1 is
 * there for upgrades (exec, attach, port-forward) and old clients.
 *
 * Client certificates are asked for and not demanded: one that the client CA did not sign identifies nobody.
 */
import {
  constants as http2,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants as crypto } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { listenHost, peerAddress } from '../../../machinery/process/listen-host.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { peerCertificate } from './peer-certificate.ts';
import type { UpgradeRequest } from './request.ts';
import type { Sink } from './send-response.ts';
import { WireRequest, type Connection } from './wire-request.ts';

export interface TlsMaterial {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** PEM bundle of the authorities whose client certificates are believed. */
  readonly clientCA: string;
}

export interface TlsServerOptions {
  readonly tls: TlsMaterial;
  readonly bindAddress: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly logger: Logger;
  /** Who cannot listen, in errors; default `The API server`. */
  readonly who?: string;
  /** What sets port and address; default `--secure-port` and `--bind-address`. */
  readonly flags?: { readonly port: string; readonly address: string };
  /** How long nothing may be asked on a connection. */
  readonly idleMs?: number;
  /** Answers one request through `sink`; for an upgrade that it does not take, too. Never throws. */
  serve(request: WireRequest, sink: Sink): Promise<void>;
}

/** How long a stopping server waits for requests that are being answered. */
const DRAIN_MS = 2_000;
/** As upstream: a connection on which nothing is asked is closed. */
const IDLE_MS = 90_000;
/** How long a connection may take to become one. */
const HANDSHAKE_MS = 15_000;

export class TlsServer {
  readonly #options: TlsServerOptions;
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #sockets = new Set<Socket>();
  readonly #connections = new WeakMap<Duplex, Connection>();
  /** How many requests of a session are open; absent: none. */
  readonly #openStreams = new WeakMap<ServerHttp2Session, number>();

  constructor(options: TlsServerOptions) {
    this.#options = options;
    const { cert, key, clientCA } = options.tls;
    this.#server = createSecureServer({
      cert,
      key,
      ca: clientCA,
      allowHTTP1: true,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      // A resumed session does not carry the peer's chain; a full handshake tells who it is.
      secureOptions: crypto.SSL_OP_NO_TICKET,
      settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#listen();
  }

  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    return address?.port ?? this.#options.port;
  }

  /** @throws Error that names address and port */
  listen(): Promise<void> {
    const {
      port,
      bindAddress,
      who = 'The API server',
      flags = { port: '--secure-port', address: '--bind-address' },
    } = this.#options;
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        const why: Readonly<Record<string, string>> = {
          EADDRINUSE: `the port is in use by another process; stop that one, or see ${flags.port}`,
          EADDRNOTAVAIL: `this machine has no such address; see ${flags.address}`,
        };
        const text = why[error.code ?? ''] ?? error.message;
        reject(new Error(`${who} cannot listen on ${hostPort(bindAddress, port)}: ${text}`, { cause: error }));
      };
      this.#server.once('error', fail);
      this.#server.listen({ port, host: listenHost(bindAddress), exclusive: true }, () => {
        this.#server.off('error', fail);
        this.#server.on('error', error => this.#options.logger.error({ err: error }, 'The API server socket failed'));
        resolve();
      });
    });
  }

  /** Takes no new connection, lets running requests end for a moment, then cuts what is left. */
  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.close();
    const cut = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
      for (const socket of this.#sockets) socket.destroy();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cut);
  }

  #listen(): void {
    const server = this.#server;
    const { idleMs = IDLE_MS } = this.#options;
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('session', session => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      session.on('error', () => session.destroy());
      // The server's own event tells of a session once.
      session.on('timeout', () => this.#onSilence(session));
    });
    server.on('tlsClientError', (error, socket) => {
      this.#options.logger.debug({ err: error }, 'A TLS handshake failed');
      socket.destroy();
    });
    server.on('sessionError', () => {});
    (server as Http2SecureServer & { keepAliveTimeout: number }).keepAliveTimeout = idleMs;
    server.setTimeout(idleMs);
    server.on('timeout', (silent: unknown) => this.#onSilence(silent as ServerHttp2Session | TLSSocket));
    server.on('request', (request: unknown, response: unknown) =>
      this.#onHttp1(request as IncomingMessage, response as ServerResponse),
    );
    // Listening for 'request' installs Node's compatibility layer for HTTP/2; streams are answered by us instead.
    server.removeAllListeners('stream');
    server.on('stream', (stream, headers) => this.#onHttp2(stream, headers));
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue();
      this.#onHttp1(request, response);
    });
  }

  /** Nothing came or went for a while. A watch may be silent for as long as it likes; an answer that nobody takes may not. */
  #onSilence(silent: ServerHttp2Session | TLSSocket): void {
    if ('goaway' in silent) {
      if (!this.#openStreams.has(silent)) silent.close();
    } else if (silent.writableLength > 0) silent.destroy();
  }

  #connection(socket: Duplex): Connection {
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      const tls = socket as TLSSocket;
      connection = { remoteAddress: peerAddress(tls.remoteAddress), certificate: peerCertificate(tls) };
      this.#connections.set(socket, connection);
    }
    return connection;
  }

  #onHttp2(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { session } = stream;
    if (session === undefined) return;
    stream.on('error', () => {});
    const request = new WireRequest(
      headers[':method'] ?? 'GET',
      headers[':path'] ?? '/',
      headers,
      stream,
      this.#sessionConnection(session as ServerHttp2Session),
    );
    this.#count(session as ServerHttp2Session, 1);
    stream.once('close', () => {
      this.#count(session as ServerHttp2Session, -1);
      request.abort();
    });
    // Answered before the request was all there: what is still to come is not waited for.
    stream.once('finish', () => {
      if (!stream.endAfterHeaders && !stream.readableEnded) stream.close(http2.NGHTTP2_NO_ERROR);
    });
    const sink: Sink = {
      body: stream,
      writeHead: (status, fields) => {
        if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': status, ...fields });
      },
    };
    void this.#options.serve(request, sink);
  }

  #count(session: ServerHttp2Session, by: number): void {
    const open = (this.#openStreams.get(session) ?? 0) + by;
    if (open > 0) this.#openStreams.set(session, open);
    else {
      this.#openStreams.delete(session);
      // The timer fires once: it may have done so while a request was open.
      if (!session.destroyed) session.setTimeout(this.#options.idleMs ?? IDLE_MS);
    }
  }

  #sessionConnection(session: ServerHttp2Session): Connection {
    // session.socket is a proxy object, new for each session: the key is the session's own.
    return this.#connection(session.socket as unknown as Duplex);
  }

  #onHttp1(message: IncomingMessage, response: ServerResponse): void {
    this.#serveHttp1(message, response);
  }

  #onUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const request = this.#wireRequest(message, { socket, head });
    socket.once('close', () => request.abort());
    void this.#options.serve(request, rawSink(socket));
  }

  #serveHttp1(message: IncomingMessage, response: ServerResponse): void {
    const request = this.#wireRequest(message, undefined);
    response.once('close', () => request.abort());
    const sink: Sink = {
      body: response,
      writeHead: (status, fields) => {
        if (!response.headersSent) response.writeHead(status, fields);
      },
      takeChunking: () => {
        if (!response.chunkedEncoding) return false;
        response.chunkedEncoding = false;
        return true;
      },
    };
    void this.#options.serve(request, sink);
  }

  #wireRequest(message: IncomingMessage, upgrade: UpgradeRequest | undefined): WireRequest {
    return new WireRequest(
      message.method ?? 'GET',
      message.url ?? '/',
      message.headers,
      message,
      this.#connection(message.socket),
      upgrade,
    );
  }
}

/** Answers an upgrade request that is not taken up: nothing but the raw socket is left to write to. */
function rawSink(socket: Duplex): Sink {
  return {
    body: socket,
    writeHead(status, fields) {
      const lines = Object.entries(fields).flatMap(([name, value]) => [value].flat().map(v => `${name}: ${v}`));
      socket.write(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`,
      );
    },
  };
}
