/**
 * As much of SPDY/3.1 as a client of a kubelet's streams needs: opening streams, data both ways, half-close, pings.
 *
 * - Headers of answers are not read: nothing in them matters here. Own headers go uncompressed, as stored blocks of one zlib stream.
 * - There is no flow control, as there is none in the servers that kubelets use.
 *
 * Source: SPDY Protocol, draft 3.1; RFC 1950 and 1951 for the stored blocks.
 */
import type { Duplex } from 'node:stream';

const VERSION = 0x8003;
const TYPES = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 } as const;
const FIN = 1;
const HEAD_BYTES = 8;
/** Frames carry 24 bits of length; smaller ones let streams take turns. */
const MAX_DATA_BYTES = 512 * 1024;
const ZLIB_HEAD = Buffer.from([0x78, 0x01]);
/** An empty stored block: what came before is complete. */
const ZLIB_FLUSH = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

export interface SpdyHandlers {
  /** `last`: the stream's other side says no more. */
  data(streamId: number, payload: Buffer, last: boolean): void;
  /** The connection is over; called once. */
  closed(): void;
}

export class SpdyClient {
  readonly #socket: Duplex;
  readonly #handlers: SpdyHandlers;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wanted = HEAD_BYTES;
  #nextId = 1;
  #over = false;

  /** @param head what came behind the upgrade already */
  constructor(socket: Duplex, head: Buffer, handlers: SpdyHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('end', () => this.close());
    socket.once('close', () => this.close());
    socket.on('error', () => socket.destroy());
    if (head.length > 0) this.#take(head);
  }

  /** @returns the stream's id */
  open(headers: Readonly<Record<string, string>>): number {
    const id = this.#nextId;
    this.#nextId += 2;
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(id, 0);
    const block = headerBlock(headers);
    const parts = [...(id === 1 ? [ZLIB_HEAD] : []), storedBlock(block), ZLIB_FLUSH];
    this.#control(TYPES.synStream, Buffer.concat([fixed, ...parts]));
    return id;
  }

  /** False: the server is behind; see `onDrain()`. */
  write(streamId: number, payload: Buffer): boolean {
    let flowing = true;
    for (let at = 0; at < payload.length; at += MAX_DATA_BYTES)
      flowing = this.#data(streamId, payload.subarray(at, at + MAX_DATA_BYTES), 0);
    return flowing;
  }

  /** Says no more on this stream; the other side may. */
  end(streamId: number): void {
    this.#data(streamId, Buffer.alloc(0), FIN);
  }

  onDrain(callback: () => void): void {
    this.#socket.once('drain', callback);
  }

  /** Stops or goes on reading the server. */
  hold(on: boolean): void {
    if (on) this.#socket.pause();
    else this.#socket.resume();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    this.#handlers.closed();
  }

  #data(streamId: number, payload: Buffer, flags: number): boolean {
    if (this.#over) return true;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(streamId, 0);
    head.writeUInt32BE(((flags << 24) | payload.length) >>> 0, 4);
    return this.#socket.write(Buffer.concat([head, payload]));
  }

  #control(type: number, payload: Buffer): void {
    if (this.#over) return;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt16BE(VERSION, 0);
    head.writeUInt16BE(type, 2);
    head.writeUInt32BE(payload.length, 4);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #take(chunk: Buffer): void {
    if (this.#over) return;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
    let rest = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    for (;;) {
      const bytes = rest.length < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + rest.readUIntBE(5, 3);
      if (rest.length < bytes) {
        this.#pending = [rest];
        this.#pendingBytes = rest.length;
        this.#wanted = bytes;
        return;
      }
      this.#onFrame(rest.readUInt32BE(0), rest.readUInt8(4), rest.subarray(HEAD_BYTES, bytes));
      if (this.#over) return;
      rest = rest.subarray(bytes);
    }
  }

  #onFrame(first: number, flags: number, payload: Buffer): void {
    const last = (flags & FIN) !== 0;
    if (first >>> 31 === 0) this.#handlers.data(first, payload, last);
    // Every control frame that is looked at begins with four bytes; a server that sends less talks nonsense.
    else if (payload.length < 4) this.close();
    else this.#onControl(first & 0xffff, payload, last);
  }

  #onControl(type: number, payload: Buffer, last: boolean): void {
    switch (type) {
      case TYPES.synReply:
        if (last) this.#handlers.data(payload.readUInt32BE(0), Buffer.alloc(0), true);
        return;
      case TYPES.rstStream:
        return this.#handlers.data(payload.readUInt32BE(0), Buffer.alloc(0), true);
      case TYPES.ping:
        // Odd ones would be answers to ours, and we ask none.
        if (payload.readUInt32BE(0) % 2 === 0) this.#control(TYPES.ping, payload);
        return;
      default:
      // GOAWAY is followed by the end; nothing else concerns a client without flow control.
    }
  }
}

function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers);
  const words = entries.flatMap(([name, value]) => [sized(name.toLowerCase()), sized(value)]);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(entries.length);
  return Buffer.concat([count, ...words]);
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function storedBlock(data: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(data.length, 1);
  head.writeUInt16LE(~data.length & 0xffff, 3);
  return Buffer.concat([head, data]);
}
