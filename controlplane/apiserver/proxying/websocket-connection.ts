/**
 * The server's end of a WebSocket that speaks both ways. Messages are handed on piece by piece as they come; pings are answered.
 * Source: RFC 6455.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import type { Request } from '../server/request.ts';

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface WebSocketHandlers {
  /** A piece of a message; `first` when a message begins with it. */
  message(piece: Buffer, first: boolean): void;
  /** The connection is over; called once. */
  closed(): void;
}

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

export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #handlers: WebSocketHandlers;
  #pending: Buffer = Buffer.alloc(0);
  #over = false;

  /** @param head what came behind the handshake already */
  constructor(socket: Duplex, head: Buffer, handlers: WebSocketHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('close', () => this.#end());
    socket.once('end', () => this.#end());
    socket.on('error', () => socket.destroy());
    if (head.length > 0) this.#take(head);
  }

  /** One whole binary message. False: the client is behind; see `drained()`. */
  send(payload: Buffer): boolean {
    return this.#over || this.#socket.write(frame(OPCODES.binary, payload));
  }

  /** Calls back once what was sent is on its way. */
  onDrain(callback: () => void): void {
    this.#socket.once('drain', callback);
  }

  /** Stops or goes on reading the client. */
  hold(on: boolean): void {
    if (on) this.#socket.pause();
    else this.#socket.resume();
  }

  close(code = NORMAL): void {
    if (this.#over) return;
    this.#over = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#socket.end(frame(OPCODES.close, payload));
    // The client's own close is read past.
    this.#socket.resume();
    this.#handlers.closed();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    this.#handlers.closed();
  }

  #take(chunk: Buffer): void {
    if (this.#over) return;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (!this.#over) {
      const next = readFrame(this.#pending);
      if (next === undefined) return;
      if (next.kind === 'bad') return this.close(next.code);
      this.#pending = this.#pending.subarray(next.bytes);
      this.#onFrame(next.opcode, next.payload);
    }
  }

  #onFrame(opcode: number, payload: Buffer): void {
    switch (opcode) {
      case OPCODES.text:
      case OPCODES.binary:
        return this.#handlers.message(payload, true);
      case OPCODES.continuation:
        return this.#handlers.message(payload, false);
      case OPCODES.ping:
        this.#socket.write(frame(OPCODES.pong, payload));
        return;
      case OPCODES.close:
        return this.close();
      default:
    }
  }
}

type ReadFrame =
  | { readonly kind: 'frame'; readonly opcode: number; readonly payload: Buffer; readonly bytes: number }
  | { readonly kind: 'bad'; readonly code: number };

/** The first frame in `buffer`, unmasked; undefined: not all of it is there. */
export function readFrame(buffer: Buffer): ReadFrame | undefined {
  if (buffer.length < 2) return undefined;
  const first = buffer.readUInt8(0);
  const second = buffer.readUInt8(1);
  // Clients mask, and nobody has agreed on extensions.
  if ((second & 0x80) === 0 || (first & 0x70) !== 0) return { kind: 'bad', code: PROTOCOL_ERROR };
  const short = second & 0x7f;
  const sizeBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const headBytes = 2 + sizeBytes + 4;
  if (buffer.length < headBytes) return undefined;
  const length = sizeBytes === 0 ? short : sizeBytes === 2 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  if (length > MAX_FRAME_BYTES) return { kind: 'bad', code: TOO_BIG };
  const bytes = headBytes + length;
  if (buffer.length < bytes) return undefined;
  const mask = buffer.subarray(headBytes - 4, headBytes);
  const payload = Buffer.from(buffer.subarray(headBytes, bytes));
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { kind: 'frame', opcode: first & 0x0f, payload, bytes };
}

/** One whole frame, unmasked as servers send it. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
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
