/**
 * A watch for a client that asked for it over a WebSocket, as browsers do: one message an event, until either side ends it. JSON is text;
 * protobuf is binary, without the length that stands before it elsewhere.
 */
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { drained } from '../../../machinery/streaming/readable-over-websocket.ts';
import { offeredProtocols, switchToWebSocket, webSocketFrame } from '../../../machinery/streaming/websocket-frames.ts';
import type { Duplex } from 'node:stream';
import type { Request, Response, WatchResponse } from '../server/request.ts';
import { watchFrame } from '../server/watch-frame.ts';
import type { WatchEvent } from '../storage/storage.ts';

const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8]);
/** Carries a browser's token and is no protocol. */
const TOKEN_PREFIX = 'base64url.bearer.authorization.k8s.io.';

/** Takes the connection over. @throws StatusError BadRequest when the handshake has no key */
export function watchOverWebSocket(request: Request, watch: WatchResponse): Response {
  if (request.upgrade === undefined) throw badRequest('Upgrade request required');
  const { socket } = request.upgrade;
  const protocol = offeredProtocols(request.headers).find(name => !name.startsWith(TOKEN_PREFIX)) ?? '';
  switchToWebSocket(socket, request.headers, protocol);
  // The client has nothing to say here; without a reader its close would never be seen.
  socket.resume();
  void send(socket, watch);
  return { kind: 'hijacked' };
}

function message(watch: WatchResponse, event: WatchEvent): Buffer {
  const frame = watchFrame(watch, event);
  return watch.form === undefined ? webSocketFrame('text', frame) : webSocketFrame('binary', frame.subarray(4));
}

async function send(socket: Duplex, watch: WatchResponse): Promise<void> {
  try {
    for await (const batch of watch.events) {
      for (const event of batch) {
        if (socket.destroyed) return;
        if (!socket.write(message(watch, event))) await drained(socket);
      }
    }
  } catch {
    // The watch broke off; the close below says so.
  }
  if (!socket.destroyed) socket.end(webSocketFrame('close', NORMAL_CLOSURE));
}
