/**
 * Port-forward for clients that speak WebSocket (`SPDY/3.1+portforward.k8s.io`): messages carry the bytes of a SPDY connection.
 * Source: KEP-4006.
 */
import type { Writable } from 'node:stream';
import type { Switched } from './remote-command.ts';
import type { SpdyGuard } from './spdy-guard.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** The WebSocket protocol of the tunnel. */
export const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io';
/** What the SPDY side is asked for. */
export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';

/** Ends when either side does. @param guard looks at what the client says, and hears the server; an error of it ends both */
export function tunnelPortForward(client: Switched, { socket: backend, head }: Switched, guard?: SpdyGuard): void {
  const into: Writable = guard ?? backend;
  guard?.once('error', () => backend.destroy());
  guard?.pipe(backend);
  const webSocket = new WebSocketConnection(client.socket, client.head, {
    message(piece) {
      if (into.write(piece)) return;
      webSocket.hold(true);
      into.once('drain', () => webSocket.hold(false));
    },
    closed: () => backend.destroy(),
  });
  const send = (chunk: Buffer): void => {
    guard?.heard(chunk);
    if (webSocket.send(chunk)) return;
    backend.pause();
    webSocket.onDrain(() => backend.resume());
  };
  if (head.length > 0) send(head);
  backend.on('data', send);
  backend.on('error', () => backend.destroy());
  backend.once('close', () => {
    guard?.destroy();
    webSocket.close();
  });
}
