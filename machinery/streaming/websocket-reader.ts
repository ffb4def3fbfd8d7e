/**
 * Takes apart what a WebSocket client sends. Payloads are handed on as they come, however long a frame says it is: at most one head or one
 * control frame (125 bytes) is ever kept.
 * Source: RFC 6455, section 5.
 */
import { OPCODES } from './websocket-frames.ts';

const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;
const MAX_CONTROL_BYTES = 125;
const MASK_BYTES = 4;

export interface WebSocketEvents {
  /** A piece of a message; `first` when the message begins with it. Never empty, unless the message is. */
  piece(bytes: Buffer, first: boolean): void;
  control(opcode: number, payload: Buffer): void;
}

interface Frame {
  readonly opcode: number;
  readonly mask: Buffer;
  readonly isFinal: boolean;
  readonly length: number;
  /** How much of the payload has passed. */
  at: number;
}

export class WebSocketReader {
  readonly #events: WebSocketEvents;
  /** Of a head or control frame that is not all there. */
  #kept: Buffer = Buffer.alloc(0);
  #frame: Frame | undefined;
  #inMessage = false;
  /** The message has begun, and nothing of it was handed on yet. */
  #atStart = false;

  constructor(events: WebSocketEvents) {
    this.#events = events;
  }

  /** @returns the close code that a client deserves who does not keep to the protocol; nothing is read after it */
  push(chunk: Buffer): number | undefined {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = Buffer.alloc(0);
    for (;;) {
      if (this.#frame === undefined) {
        const head = readHead(rest);
        if (head === undefined) break;
        const wrong = this.#begin(head);
        if (wrong !== undefined) return wrong;
        rest = rest.subarray(head.bytes);
      }
      const used = this.#payload(rest);
      if (used === undefined) break;
      rest = rest.subarray(used);
      // Undefined again once the frame is over.
      if (this.#frame !== undefined) break;
    }
    this.#kept = Buffer.from(rest);
    return undefined;
  }

  #begin({ opcode, isFinal, isPlain, length, mask }: Head): number | undefined {
    // Clients mask, and nobody has agreed on extensions.
    if (mask === undefined || !isPlain) return PROTOCOL_ERROR;
    if (!Number.isSafeInteger(length)) return TOO_BIG;
    const isControl = opcode >= OPCODES.close;
    if (isControl && (!isFinal || length > MAX_CONTROL_BYTES || opcode > OPCODES.pong)) return PROTOCOL_ERROR;
    if (!isControl) {
      if (opcode > OPCODES.binary || this.#inMessage !== (opcode === OPCODES.continuation)) return PROTOCOL_ERROR;
      if (opcode !== OPCODES.continuation) this.#atStart = true;
      this.#inMessage = !isFinal;
    }
    this.#frame = { opcode, mask, isFinal, length, at: 0 };
    return undefined;
  }

  /** @returns how many bytes were used; undefined when more are needed first */
  #payload(bytes: Buffer): number | undefined {
    const frame = this.#frame;
    if (frame === undefined) return undefined;
    const left = frame.length - frame.at;
    if (frame.opcode >= OPCODES.close) {
      if (bytes.length < left) return undefined;
      this.#frame = undefined;
      this.#events.control(frame.opcode, unmasked(bytes.subarray(0, left), frame));
      return left;
    }
    const piece = bytes.subarray(0, left);
    // Protocols above name the stream in a message's first two bytes: these come together.
    if (this.#atStart && piece.length < Math.min(2, left)) return undefined;
    const plain = unmasked(piece, frame);
    frame.at += piece.length;
    if (frame.at === frame.length) this.#frame = undefined;
    if (piece.length > 0 || frame.isFinal) {
      const first = this.#atStart;
      this.#atStart = false;
      if (piece.length > 0 || first) this.#events.piece(plain, first);
    }
    return piece.length;
  }
}

function unmasked(bytes: Buffer, { mask, at }: Frame): Buffer {
  const plain = Buffer.allocUnsafe(bytes.length);
  for (let i = 0; i < bytes.length; i++) plain[i] = (bytes[i] ?? 0) ^ (mask[(at + i) & 3] ?? 0);
  return plain;
}

interface Head {
  readonly opcode: number;
  readonly isFinal: boolean;
  /** No bit of an extension is set. */
  readonly isPlain: boolean;
  readonly length: number;
  readonly mask: Buffer | undefined;
  readonly bytes: number;
}

function readHead(buffer: Buffer): Head | undefined {
  if (buffer.length < 2) return undefined;
  const first = buffer.readUInt8(0);
  const second = buffer.readUInt8(1);
  const short = second & 0x7f;
  const isMasked = (second & 0x80) !== 0;
  const sizeBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const bytes = 2 + sizeBytes + (isMasked ? MASK_BYTES : 0);
  if (buffer.length < bytes) return undefined;
  const length = sizeBytes === 0 ? short : sizeBytes === 2 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  return {
    opcode: first & 0x0f,
    isFinal: (first & 0x80) !== 0,
    isPlain: (first & 0x70) === 0,
    length,
    // A copy: the frame outlives the chunk.
    mask: isMasked ? Buffer.from(buffer.subarray(bytes - MASK_BYTES, bytes)) : undefined,
    bytes,
  };
}
