/**
 * Exec, attach and port-forward for clients that speak WebSocket, by way of kubelets that speak SPDY.
 *
 * - `v5.channel.k8s.io`: the first byte of a message names the stream; 255 closes the one that the next byte names.
 * - `SPDY/3.1+portforward.k8s.io`: messages carry the bytes of a SPDY connection.
 *
 * Source: KEP-4006.
 */
import { header, type Request, type Response } from '../server/request.ts';
import type { Target } from './proxy-request.ts';
import { SpdyClient } from './spdy-client.ts';
import { upgradeToSpdy } from './upgrade-to-spdy.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import { switchToWebSocket } from './websocket-frames.ts';
import { wantsWebSocket } from './websocket-stream.ts';

const COMMAND = 'v5.channel.k8s.io';
const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
const STREAM_PROTOCOL = 'v4.channel.k8s.io';
const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const CLOSE_CHANNEL = 255;

type Channel = keyof typeof CHANNELS;

function offers(request: Request, protocol: string): boolean {
  if (!wantsWebSocket(request)) return false;
  return (header(request, 'sec-websocket-protocol') ?? '').split(',').some(name => name.trim() === protocol);
}

/** Whether the client speaks the protocol that is translated here; older ones pass through to the runtime as they are. */
export function speaksRemoteCommandV5(request: Request): boolean {
  return offers(request, COMMAND);
}

export function tunnelsPortForward(request: Request): boolean {
  return offers(request, TUNNEL);
}

export interface RemoteCommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** @throws StatusError as `upgradeToSpdy()` */
export async function translateRemoteCommand(
  request: Request,
  target: Target,
  streams: RemoteCommandStreams,
): Promise<Response> {
  const { socket, head } = await upgradeToSpdy(target, [STREAM_PROTOCOL]);
  const names: Channel[] = ['error'];
  if (streams.stdin) names.push('stdin');
  if (streams.stdout) names.push('stdout');
  // A terminal has one output.
  if (streams.stderr && !streams.tty) names.push('stderr');
  if (streams.tty) names.push('resize');
  const channelOf = new Map<number, number>();
  const spdy = new SpdyClient(socket, head, {
    data(id, payload) {
      const channel = channelOf.get(id);
      if (channel === undefined || payload.length === 0) return;
      if (client.send(Buffer.concat([Buffer.from([channel]), payload]))) return;
      spdy.hold(true);
      client.onDrain(() => spdy.hold(false));
    },
    closed: () => client.close(),
  });
  const idOf = new Map<number, number>();
  for (const name of names) {
    const id = spdy.open({ streamtype: name });
    channelOf.set(id, CHANNELS[name]);
    if (name === 'stdin' || name === 'resize') idOf.set(CHANNELS[name], id);
  }
  let current: number | undefined;
  const client = new WebSocketConnection(accepted(request, COMMAND, spdy), request.upgrade?.head ?? Buffer.alloc(0), {
    message(piece, first) {
      if (first && piece[0] === CLOSE_CHANNEL) {
        const closed = idOf.get(piece[1] ?? CLOSE_CHANNEL);
        if (closed !== undefined) spdy.end(closed);
        current = undefined;
        return;
      }
      if (first) current = idOf.get(piece[0] ?? CLOSE_CHANNEL);
      if (current === undefined || spdy.write(current, first ? piece.subarray(1) : piece)) return;
      client.hold(true);
      spdy.onDrain(() => client.hold(false));
    },
    closed: () => spdy.close(),
  });
  return { kind: 'hijacked' };
}

/** @throws StatusError as `upgradeToSpdy()` */
export async function tunnelPortForward(request: Request, target: Target): Promise<Response> {
  const { socket: backend, head } = await upgradeToSpdy(target, [PORT_FORWARD_PROTOCOL]);
  const client = new WebSocketConnection(accepted(request, TUNNEL, backend), request.upgrade?.head ?? Buffer.alloc(0), {
    message(piece) {
      if (backend.write(piece)) return;
      client.hold(true);
      backend.once('drain', () => client.hold(false));
    },
    closed: () => backend.destroy(),
  });
  const send = (chunk: Buffer): void => {
    if (client.send(chunk)) return;
    backend.pause();
    client.onDrain(() => backend.resume());
  };
  if (head.length > 0) send(head);
  backend.on('data', send);
  backend.on('error', () => backend.destroy());
  backend.once('close', () => client.close());
  return { kind: 'hijacked' };
}

/** The client's connection, switched; without one nobody is left to talk to the kubelet. */
function accepted(
  request: Request,
  protocol: string,
  backend: { close(): void } | { destroy(): unknown },
): ReturnType<typeof switchToWebSocket> {
  try {
    return switchToWebSocket(request, protocol);
  } catch (error) {
    if ('close' in backend) backend.close();
    else backend.destroy();
    throw error;
  }
}
