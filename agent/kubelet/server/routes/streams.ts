/**
 * Exec, attach and port-forward. The runtime's streaming server speaks SPDY and the older WebSocket protocols: such clients are joined to it
 * byte by byte. The newer WebSocket protocols are translated to SPDY here (KEP-4006).
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { joinSockets } from '../../../../machinery/streaming/join-sockets.ts';
import {
  PORT_FORWARD_PROTOCOL,
  tunnelPortForward,
  TUNNEL_PROTOCOL,
} from '../../../../machinery/streaming/port-forward-tunnel.ts';
import {
  REMOTE_COMMAND_BACKEND_PROTOCOL,
  REMOTE_COMMAND_PROTOCOL,
  translateRemoteCommand,
  type Switched,
} from '../../../../machinery/streaming/remote-command.ts';
import {
  offeredProtocols,
  switchToWebSocket,
  wantsWebSocket,
} from '../../../../machinery/streaming/websocket-frames.ts';
import { peerAddress } from '../../../../machinery/process/listen-host.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import { SpdyGuard } from '../../../../machinery/streaming/spdy-guard.ts';
import type { SpdyUse } from '../../../../machinery/streaming/spdy-streams.ts';
import type { RuntimeService } from '../../runtime/runtime-service.ts';
import { HttpError, takeOver, type Exchange } from '../exchange.ts';
import type { PodAccess } from '../pod-access.ts';
import { commandStreams, forwardedPorts, streamSubject } from '../plan/stream-request.ts';
import type { Route } from '../route.ts';
import { openRuntimeStream, type RuntimeStream } from '../runtime-stream.ts';

export interface StreamRoutesOptions {
  readonly access: PodAccess;
  readonly runtime: RuntimeService;
  /** A stream on which nothing passes for so long is closed; 0: never. */
  readonly idleMs: number;
  readonly logger: Logger;
}

const SPOKEN =
  'these are spoken: v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io, their base64 forms, and SPDY/3.1+portforward.k8s.io for ports';
const METHODS = ['GET', 'POST'];
/** Headers that belong to one hop, or that say who we are to somebody else. */
const NOT_PASSED = new Set([
  'host',
  'authorization',
  'connection',
  'content-length',
  'transfer-encoding',
  'x-forwarded-for',
]);

export function streamRoutes(options: StreamRoutesOptions): Route[] {
  return [
    { path: 'exec', methods: METHODS, handle: exchange => command(options, exchange) },
    { path: 'attach', methods: METHODS, handle: exchange => command(options, exchange) },
    { path: 'portForward', methods: METHODS, handle: exchange => portForward(options, exchange) },
  ];
}

async function command(options: StreamRoutesOptions, exchange: Exchange): Promise<void> {
  const { access, runtime, idleMs } = options;
  const { segments, query, signal } = exchange;
  const subject = streamSubject(segments);
  if (subject === undefined) throw new HttpError(404, '404 page not found');
  const streams = commandStreams(query);
  if (typeof streams === 'string') throw new HttpError(400, streams);
  const { namespace, pod, uid, container } = subject;
  const { id: containerId } = access.runningContainer(namespace, pod, container, uid).container;
  const cmd = query.getAll('command');
  const isExec = segments[0] === 'exec';
  if (isExec && cmd.length === 0) throw new HttpError(400, 'you must specify a command');
  requireUpgrade(exchange);
  const url = isExec
    ? await runtime.exec({ containerId, cmd, ...streams }, { signal })
    : await runtime.attach({ containerId, ...streams }, { signal });
  if (!offers(exchange, REMOTE_COMMAND_PROTOCOL)) return passThrough(exchange, url, 'command', options);
  const backend = await openSpdy(url, REMOTE_COMMAND_BACKEND_PROTOCOL, signal);
  await over(exchange, REMOTE_COMMAND_PROTOCOL, backend, idleMs, client =>
    translateRemoteCommand(client, backend, streams),
  );
}

async function portForward(options: StreamRoutesOptions, exchange: Exchange): Promise<void> {
  const { access, runtime, idleMs } = options;
  const { segments, query, signal } = exchange;
  const subject = streamSubject(segments);
  if (subject === undefined) throw new HttpError(404, '404 page not found');
  const ports = forwardedPorts(query);
  if (typeof ports === 'string') throw new HttpError(400, ports);
  const podSandboxId = access.runningSandbox(subject.namespace, subject.pod, subject.uid);
  requireUpgrade(exchange);
  const url = await runtime.portForward({ podSandboxId, port: [...ports] }, { signal });
  if (!offers(exchange, TUNNEL_PROTOCOL)) return passThrough(exchange, url, 'ports', options);
  const backend = await openSpdy(url, PORT_FORWARD_PROTOCOL, signal);
  await over(exchange, TUNNEL_PROTOCOL, backend, idleMs, client =>
    tunnelPortForward(client, backend, newGuard(exchange, 'ports', options)),
  );
}

function requireUpgrade({ upgrade }: Exchange): void {
  if (upgrade === undefined) throw new HttpError(400, 'Upgrade request required');
}

function offers({ request }: Exchange, protocol: string): boolean {
  return wantsWebSocket(request.headers) && offeredProtocols(request.headers).includes(protocol);
}

function openSpdy(url: string, protocol: string, signal: AbortSignal): Promise<RuntimeStream> {
  const headers = { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol, 'content-length': 0 };
  return openRuntimeStream(url, 'POST', headers, signal);
}

/** Whatever protocol the two speak. */
async function passThrough(exchange: Exchange, url: string, use: SpdyUse, options: StreamRoutesOptions): Promise<void> {
  const { request, signal } = exchange;
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headersDistinct))
    if (!NOT_PASSED.has(name) && value !== undefined) headers[name] = value;
  const backend = await openRuntimeStream(url, request.method ?? 'POST', headers, signal).catch((error: unknown) => {
    throw refusedProtocol(exchange, error);
  });
  const client = takeOver(exchange);
  client.socket.write(headOf(backend.answer));
  if (client.head.length > 0) client.socket.unshift(client.head);
  if (backend.head.length > 0) backend.socket.unshift(backend.head);
  const guard = wantsWebSocket(request.headers) ? undefined : newGuard(exchange, use, options);
  await joinSockets(client.socket, backend.socket, {
    idleMs: options.idleMs,
    ...(guard === undefined ? {} : { guard }),
  });
}

/** Runtimes believe what clients announce: a frame of forty bytes can cost one gigabytes. */
function newGuard({ path, request }: Exchange, use: SpdyUse, { logger }: StreamRoutesOptions): SpdyGuard {
  const guard = new SpdyGuard(use);
  const from = peerAddress(request.socket.remoteAddress);
  guard.once('error', error =>
    logger.warn({ err: error, path, from }, 'A client broke the protocol of its stream: it was ended'),
  );
  return guard;
}

/** A runtime refuses WebSockets of other protocols without a word. */
function refusedProtocol({ request }: Exchange, error: unknown): unknown {
  if (!(error instanceof HttpError && error.code === 403 && wantsWebSocket(request.headers))) return error;
  const offered = offeredProtocols(request.headers).join(' ');
  return new HttpError(403, `the container runtime knows none of the WebSocket protocols [${offered}]; ${SPOKEN}`);
}

/** Over a WebSocket of ours. Resolves when both connections are closed. */
async function over(
  exchange: Exchange,
  protocol: string,
  backend: Switched,
  idleMs: number,
  join: (client: Switched) => void,
): Promise<void> {
  const { upgrade, request } = exchange;
  try {
    if (upgrade === undefined) throw new HttpError(400, 'Upgrade request required');
    switchToWebSocket(upgrade.socket, request.headers, protocol);
  } catch (error) {
    backend.socket.destroy();
    throw error;
  }
  const client = takeOver(exchange);
  const closed = closedBoth(client, backend);
  setIdle(client, idleMs);
  join(client);
  await closed;
}

function setIdle({ socket }: Switched, idleMs: number): void {
  if (!(socket instanceof Socket)) return;
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  socket.setTimeout(idleMs, () => socket.destroy());
}

function closedBoth(...sides: Switched[]): Promise<void> {
  const closed = sides.map(
    ({ socket }) => new Promise<void>(resolve => (socket.destroyed ? resolve() : socket.once('close', resolve))),
  );
  return Promise.all(closed).then(() => undefined);
}

function headOf(answer: RuntimeStream['answer']): string {
  const lines = [`HTTP/1.1 ${answer.statusCode ?? 101} ${answer.statusMessage ?? 'Switching Protocols'}`];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2)
    lines.push(`${answer.rawHeaders[i] ?? ''}: ${answer.rawHeaders[i + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
