/**
 * The server's end of a WebSocket that speaks both ways. Messages are handed on piece by piece as they come; pings are answered.
 * Source: RFC 6455.
 */
import type { Duplex } from 'node:stream';
import { OPCODES, readFrame, webSocketFrame } from './websocket-frames.ts';

const NORMAL = 1000;

export interface WebSocketHandlers {
  /** A piece of a message; `first` when a message begins with it. */
  message(piece: Buffer, first: boolean): void;
  /** The connection is over; called once. */
  closed(): void;
}

export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #handlers: WebSocketHandlers;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** So many bytes are needed before it is worth looking again. */
  #wanted = 0;
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
    return this.#over || this.#socket.write(webSocketFrame('binary', payload));
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
    this.#socket.end(webSocketFrame('close', payload));
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
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
    let bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    for (;;) {
      const next = readFrame(bytes);
      if (next.kind === 'bad') return this.close(next.code);
      if (next.kind === 'part') {
        this.#pending = [bytes];
        this.#pendingBytes = bytes.length;
        this.#wanted = next.bytes;
        return;
      }
      bytes = bytes.subarray(next.bytes);
      this.#onFrame(next.opcode, next.payload);
      // Closed by what it said.
      if (this.#over) return;
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
        this.#socket.write(webSocketFrame('pong', payload));
        return;
      case OPCODES.close:
        return this.close();
      default:
    }
  }
}
