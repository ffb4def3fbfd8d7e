/**
 * WebSocket on the wire, as a server sees it: the handshake, frames that clients masked, frames that it sends.
 * Source: RFC 6455.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import type { Request } from '../server/request.ts';

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Answers the handshake. @throws StatusError BadRequest without a key */
export function switchToWebSocket(request: Request, protocol: string): Duplex {
  const socket = request.upgrade?.socket;
  const key = request.headers['sec-websocket-key'];
  if (socket === undefined || typeof key !== 'string') throw badRequest('the WebSocket handshake has no key');
  const accept = createHash('sha1').update(`${key}${HANDSHAKE_GUID}`).digest('base64');
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: Upgrade',
    `sec-websocket-accept: ${accept}`,
    ...(protocol === '' ? [] : [`sec-websocket-protocol: ${protocol}`]),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  return socket;
}

type ReadFrame =
  /** Not all of it is there: it takes so many bytes, as far as one can see yet. */
  | { readonly kind: 'part'; readonly bytes: number }
  | { readonly kind: 'frame'; readonly opcode: number; readonly payload: Buffer; readonly bytes: number }
  | { readonly kind: 'bad'; readonly code: number };

/** The first frame in `buffer`, unmasked. */
export function readFrame(buffer: Buffer): ReadFrame {
  if (buffer.length < 2) return { kind: 'part', bytes: 2 };
  const first = buffer.readUInt8(0);
  const second = buffer.readUInt8(1);
  // Clients mask, and nobody has agreed on extensions.
  if ((second & 0x80) === 0 || (first & 0x70) !== 0) return { kind: 'bad', code: PROTOCOL_ERROR };
  const short = second & 0x7f;
  const sizeBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const headBytes = 2 + sizeBytes + 4;
  if (buffer.length < headBytes) return { kind: 'part', bytes: headBytes };
  const length = sizeBytes === 0 ? short : sizeBytes === 2 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  if (length > MAX_FRAME_BYTES) return { kind: 'bad', code: TOO_BIG };
  const bytes = headBytes + length;
  if (buffer.length < bytes) return { kind: 'part', bytes };
  const mask = buffer.subarray(headBytes - 4, headBytes);
  const payload = Buffer.from(buffer.subarray(headBytes, bytes));
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { kind: 'frame', opcode: first & 0x0f, payload, bytes };
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
