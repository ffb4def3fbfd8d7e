/**
 * Passes a request on to a kubelet, pod or service: bytes untouched in both directions. Upgrades (SPDY, WebSocket) become a raw tunnel.
 */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as tcpConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { badRequest, StatusError } from '../../../machinery/meta/status-error.ts';
import { joinSockets } from '../../../machinery/streaming/join-sockets.ts';
import type { Request, Response } from '../server/request.ts';

/** Where a request goes. */
export interface Target {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** PEM; shown to a server that asks who we are. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** PEM; without it the server's certificate is not checked, as upstream without --kubelet-certificate-authority. */
  readonly ca?: string | undefined;
}

const CONNECT_MS = 10_000;
/** Belong to one connection, or to this server alone. */
const NOT_PASSED = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'authorization',
  'http2-settings',
  'impersonate-user',
  'impersonate-group',
  'impersonate-uid',
]);

/** @throws StatusError ServiceUnavailable when the target cannot be reached; BadRequest for a path that HTTP/1.1 has no form for */
export async function proxyRequest(request: Request, target: Target): Promise<Response> {
  if (/[^\x21-\xff]/.test(target.path)) throw badRequest('the path holds characters that must be percent-encoded');
  return request.upgrade === undefined ? forwardRequest(request, target) : tunnel(request, target);
}

function passedHeaders(request: Request): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !name.startsWith(':') && !name.startsWith('impersonate-extra-') && !NOT_PASSED.has(name))
      headers[name] = value;
  }
  if (request.remoteAddress !== '') headers['x-forwarded-for'] = request.remoteAddress;
  return headers;
}

function unreachable(target: Target, error: Error): StatusError {
  const text = `error trying to reach service: dial tcp ${hostPort(target.host, target.port)}: ${error.message}`;
  return new StatusError('ServiceUnavailable', 503, text, undefined, { cause: error });
}

/** Never upgrades. @throws as `proxyRequest` */
export function forwardRequest(request: Request, target: Target): Promise<Response> {
  const { cert, key, ca } = target;
  const options = {
    method: request.method,
    host: target.host,
    port: target.port,
    path: target.path,
    headers: passedHeaders(request),
    agent: false as const,
    signal: request.signal,
    ...(cert === undefined ? {} : { cert, key }),
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
  };
  return new Promise((resolve, reject) => {
    const answered = (message: IncomingMessage): void => resolve(streamOf(message));
    const upstream = target.scheme === 'https' ? httpsRequest(options, answered) : httpRequest(options, answered);
    upstream.once('error', error => reject(unreachable(target, error)));
    upstream.setTimeout(CONNECT_MS, () => {
      // Only the connect is bounded: logs may be silent for as long as they like.
      if (upstream.socket?.connecting === true) upstream.destroy(new Error('i/o timeout'));
    });
    if (request.body.kind === 'bytes' && request.stream !== undefined) request.stream.pipe(upstream);
    else if (request.body.kind === 'object') upstream.end(JSON.stringify(request.body.object));
    else upstream.end();
  });
}

function streamOf(message: IncomingMessage): Response {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined && !NOT_PASSED.has(name)) headers[name] = value;
  }
  return { kind: 'stream', status: message.statusCode ?? 502, headers, body: message };
}

async function tunnel(request: Request, target: Target): Promise<Response> {
  const { upgrade } = request;
  if (upgrade === undefined) throw badRequest('Upgrade request required');
  const backend = await connect(target);
  const { socket, head } = upgrade;
  const headers = { ...passedHeaders(request), connection: 'Upgrade', upgrade: request.headers['upgrade'] };
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map(v => `${name}: ${String(v)}`));
  backend.write(
    `${request.method} ${target.path} HTTP/1.1\r\nhost: ${hostPort(target.host, target.port)}\r\n${lines.join('\r\n')}\r\n\r\n`,
  );
  if (head.length > 0) backend.write(head);
  // From here on nobody looks at what passes, the answer's head included.
  void joinSockets(socket, backend);
  return { kind: 'hijacked' };
}

function connect(target: Target): Promise<Socket> {
  const { host, port, cert, key, ca } = target;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(unreachable(target, error));
    const tls = {
      host,
      port,
      ...(cert === undefined ? {} : { cert, key }),
      ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      ALPNProtocols: ['http/1.1'],
    };
    const socket: Socket = target.scheme === 'https' ? tlsConnect(tls) : tcpConnect({ host, port });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('i/o timeout')));
    socket.once('error', fail);
    socket.once(target.scheme === 'https' ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
