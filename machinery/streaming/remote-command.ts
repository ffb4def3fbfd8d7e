/**
 * Exec and attach for clients that speak WebSocket (`v5.channel.k8s.io`), by way of servers that speak SPDY: the first byte of a message names
 * the stream; 255 closes the one that the next byte names. Bounded: a side that does not read stops the other.
 * Source: KEP-4006.
 */
import type { Duplex } from 'node:stream';
import { SpdyClient } from './spdy-client.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** The WebSocket protocol that is translated. */
export const REMOTE_COMMAND_PROTOCOL = 'v5.channel.k8s.io';
/** What the SPDY side is asked for: streams of the same meaning. */
export const REMOTE_COMMAND_BACKEND_PROTOCOL = 'v4.channel.k8s.io';

const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const CLOSE_CHANNEL = 255;

type Channel = keyof typeof CHANNELS;

/** Which streams a command has. */
export interface RemoteCommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** A connection that was switched to its protocol, and what came behind the switch already. */
export interface Switched {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Ends when either side does. */
export function translateRemoteCommand(client: Switched, backend: Switched, streams: RemoteCommandStreams): void {
  const names: Channel[] = ['error'];
  if (streams.stdin) names.push('stdin');
  if (streams.stdout) names.push('stdout');
  // A terminal has one output.
  if (streams.stderr && !streams.tty) names.push('stderr');
  if (streams.tty) names.push('resize');

  const channelOf = new Map<number, number>();
  const spdy = new SpdyClient(backend.socket, backend.head, {
    data(id, payload) {
      const channel = channelOf.get(id);
      if (channel === undefined || payload.length === 0) return;
      if (webSocket.send(Buffer.concat([Buffer.from([channel]), payload]))) return;
      spdy.hold(true);
      webSocket.onDrain(() => spdy.hold(false));
    },
    closed: () => webSocket.close(),
  });
  const idOf = new Map<number, number>();
  for (const name of names) {
    const id = spdy.open({ streamtype: name });
    channelOf.set(id, CHANNELS[name]);
    if (name === 'stdin' || name === 'resize') idOf.set(CHANNELS[name], id);
  }
  let current: number | undefined;
  const webSocket = new WebSocketConnection(client.socket, client.head, {
    message(piece, first) {
      if (first && piece[0] === CLOSE_CHANNEL) {
        const closed = piece[1] ?? CLOSE_CHANNEL;
        const id = idOf.get(closed);
        if (id !== undefined) spdy.end(id);
        idOf.delete(closed);
        current = undefined;
        return;
      }
      if (first) current = idOf.get(piece[0] ?? CLOSE_CHANNEL);
      if (current === undefined || spdy.write(current, first ? piece.subarray(1) : piece)) return;
      webSocket.hold(true);
      spdy.onDrain(() => webSocket.hold(false));
    },
    closed: () => spdy.close(),
  });
}
