/**
 * The server's end of a WebSocket that speaks both ways. Messages are handed on piece by piece as they come; pings are answered.
 * Source: RFC 6455.
 */
import type { Duplex } from 'node:stream';
import { OPCODES, webSocketFrame } from './websocket-frames.ts';
import { WebSocketReader } from './websocket-reader.ts';

const NORMAL = 1000;

export interface WebSocketHandlers {
  /** A piece of a message; `first` when a message begins with it: then it has two bytes, if the message has. */
  message(piece: Buffer, first: boolean): void;
  /** The connection is over; called once. */
  closed(): void;
}

export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #handlers: WebSocketHandlers;
  readonly #reader: WebSocketReader;
  #over = false;

  /** @param head what came behind the handshake already */
  constructor(socket: Duplex, head: Buffer, handlers: WebSocketHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#reader = new WebSocketReader({
      piece: (bytes, first) => {
        if (!this.#over) this.#handlers.message(bytes, first);
      },
      control: (opcode, payload) => this.#control(opcode, payload),
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('close', () => this.#end());
    socket.once('end', () => this.#end());
    socket.on('error', () => socket.destroy());
    if (head.length > 0) this.#take(head);
  }

  /** One whole binary message. False: the client is behind; see `onDrain()`. */
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
    const wrong = this.#reader.push(chunk);
    if (wrong !== undefined) this.close(wrong);
  }

  #control(opcode: number, payload: Buffer): void {
    if (this.#over) return;
    if (opcode === OPCODES.ping) this.#socket.write(webSocketFrame('pong', payload));
    else if (opcode === OPCODES.close) this.close();
  }
}
