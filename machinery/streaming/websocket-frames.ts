/**
 * WebSocket on the wire, as a server sees it: the handshake, and frames that it sends. What clients send: websocket-reader.ts.
 * Source: RFC 6455.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { badRequest } from '../meta/status-error.ts';

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Whether the client wants its connection to become a WebSocket. */
export function wantsWebSocket(headers: IncomingHttpHeaders): boolean {
  return String(headers.upgrade ?? '').toLowerCase() === 'websocket';
}

/** The protocols that the client offers, best first, as it wrote them. */
export function offeredProtocols(headers: IncomingHttpHeaders): string[] {
  const offered = headers['sec-websocket-protocol'] ?? '';
  return offered
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '');
}

/**
 * Answers the handshake.
 * @param protocol what was chosen of the client's; '' for none
 * @throws StatusError BadRequest without a key
 */
export function switchToWebSocket(socket: Duplex, headers: IncomingHttpHeaders, protocol: string): void {
  const key = headers['sec-websocket-key'];
  if (key === undefined) throw badRequest('the WebSocket handshake has no key');
  const accept = createHash('sha1').update(`${key}${HANDSHAKE_GUID}`).digest('base64');
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: Upgrade',
    `sec-websocket-accept: ${accept}`,
    ...(protocol === '' ? [] : [`sec-websocket-protocol: ${protocol}`]),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
}

/** One whole frame, unmasked as servers send it. */
export function webSocketFrame(kind: keyof typeof OPCODES, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | OPCODES[kind];
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}
