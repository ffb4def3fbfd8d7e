/**
 * A stream for a client that asked for it over a WebSocket: one message a chunk, then the connection is closed. What the client says is
 * read past, but for its close.
 * Source: RFC 6455; kubernetes `k8s.io/streaming/pkg/httpstream/wsstream`, whose readers speak `binary.k8s.io` (the default) and
 * `base64.binary.k8s.io`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { badRequest } from '../meta/status-error.ts';
import { offeredProtocols, switchToWebSocket, webSocketFrame } from './websocket-frames.ts';

const BINARY = 'binary.k8s.io';
const BASE64 = 'base64.binary.k8s.io';
const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8]);

/** Takes the connection over. @throws StatusError before anything was answered: no key, or none of the protocols is known */
export function answerOverWebSocket(socket: Duplex, headers: IncomingHttpHeaders, body: Readable): void {
  const protocol = chosenProtocol(offeredProtocols(headers));
  switchToWebSocket(socket, headers, protocol);
  socket.once('close', () => body.destroy());
  // The client has nothing to say here; without a reader its close would never be seen.
  socket.resume();
  void send(socket, body, protocol);
}

async function send(socket: Duplex, body: Readable, protocol: string): Promise<void> {
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const frame =
        protocol === BASE64
          ? webSocketFrame('text', Buffer.from(chunk.toString('base64')))
          : webSocketFrame('binary', chunk);
      if (!socket.write(frame)) await drained(socket);
    }
  } catch {
    // Either side went away in the midst of it; the close below says so.
  }
  socket.end(webSocketFrame('close', NORMAL_CLOSURE));
}

/** Of those that the client offers; empty if it offers none. @throws StatusError BadRequest when it offers only others */
function chosenProtocol(names: readonly string[]): string {
  if (names.length === 0) return '';
  const known = names.find(name => name === BINARY || name === BASE64);
  if (known === undefined)
    throw badRequest(`none of the protocols [${names.join(' ')}] is known; use ${BINARY} or ${BASE64}`);
  return known;
}

/** Resolves when more can be written, or never will be. */
export function drained(socket: Writable): Promise<void> {
  return new Promise(resolve => {
    const go = (): void => {
      socket.off('drain', go);
      socket.off('close', go);
      resolve();
    };
    socket.once('drain', go);
    socket.once('close', go);
  });
}
