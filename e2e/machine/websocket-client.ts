/** The client's end of a WebSocket, as kubectl and browsers speak it: RFC 6455, and Kubernetes' channels over it. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';

const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export interface OpenOptions {
  readonly path: string;
  readonly protocols: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** The server's answer, when it is no switch of protocols. */
export class RefusedWebSocket extends Error {
  readonly answer: string;

  constructor(answer: string) {
    super(`no WebSocket: ${answer.slice(0, 500)}`);
    this.answer = answer;
  }
}

interface Message {
  readonly opcode: number;
  readonly payload: Buffer;
}

export class WebSocketClient {
  /** What the server chose; '' for none. */
  readonly protocol: string;
  /** Of the close frame; undefined while it is open, or when the connection just ended. */
  closeCode: number | undefined;
  readonly messages: Message[] = [];
  readonly closed: Promise<void>;
  private readonly socket: Duplex;
  private rest: Buffer;
  private wake: () => void = () => undefined;

  private constructor(socket: Duplex, protocol: string, rest: Buffer) {
    this.socket = socket;
    this.protocol = protocol;
    this.rest = rest;
    this.closed = new Promise(resolve => socket.once('close', () => (this.wake(), resolve())));
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.once('end', () => socket.destroy());
    this.take(Buffer.alloc(0));
  }

  /** @throws RefusedWebSocket */
  static open(socket: Duplex, { path, protocols, headers = {} }: OpenOptions): Promise<WebSocketClient> {
    const all = {
      Host: 'server',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': KEY,
      ...(protocols.length === 0 ? {} : { 'Sec-WebSocket-Protocol': protocols.join(', ') }),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    return new Promise((resolve, reject) => {
      let bytes = Buffer.alloc(0);
      const refuse = (): void => reject(new RefusedWebSocket(bytes.toString()));
      const read = (chunk: Buffer): void => {
        bytes = Buffer.concat([bytes, chunk]);
        const end = bytes.indexOf('\r\n\r\n');
        const head = bytes.toString('latin1', 0, end);
        if (end < 0 || !head.startsWith('HTTP/1.1 101')) return;
        socket.off('data', read);
        socket.off('close', refuse);
        const chosen = /^sec-websocket-protocol: (.*)$/im.exec(head)?.[1]?.trim() ?? '';
        resolve(new WebSocketClient(socket, chosen, bytes.subarray(end + 4)));
      };
      socket.on('data', read);
      socket.once('close', refuse);
      socket.once('end', refuse);
      socket.on('error', () => socket.destroy());
    });
  }

  send(payload: Buffer | string, opcode = BINARY): void {
    const body = Buffer.from(payload);
    const { length } = body;
    const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    for (let i = 0; i < length; i++) body[i] = (body[i] ?? 0) ^ (mask[i & 3] ?? 0);
    this.socket.write(Buffer.concat([head, mask, body]));
  }

  /** On one of Kubernetes' channels: its number, then what it says. */
  sendOn(channel: number, text: string | Buffer): void {
    this.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]));
  }

  ping(): void {
    this.send('ping', PING);
  }

  /** Everything that came on that channel by now. */
  textOf(channel: number): string {
    const pieces = this.messages
      .filter(({ payload }) => payload[0] === channel)
      .map(({ payload }) => payload.subarray(1));
    return Buffer.concat(pieces).toString();
  }

  /** Resolves once `is` holds; the test's own timeout bounds it. @throws Error when the connection ends before */
  async until(is: () => boolean): Promise<void> {
    while (!is()) {
      if (this.socket.destroyed) throw new Error(`the connection ended (${this.closeCode}): ${this.told()}`);
      await new Promise<void>(resolve => (this.wake = resolve));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private told(): string {
    return this.messages
      .map(({ payload }) => payload.toString())
      .join(' | ')
      .slice(0, 500);
  }

  private take(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (;;) {
      const short = (this.rest[1] ?? 0) & 0x7f;
      const sizeBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (this.rest.length < 2 + sizeBytes) break;
      const length =
        sizeBytes === 0 ? short : sizeBytes === 2 ? this.rest.readUInt16BE(2) : Number(this.rest.readBigUInt64BE(2));
      const end = 2 + sizeBytes + length;
      if (this.rest.length < end) break;
      const message = { opcode: (this.rest[0] ?? 0) & 0x0f, payload: this.rest.subarray(2 + sizeBytes, end) };
      this.rest = this.rest.subarray(end);
      if (message.opcode === CLOSE)
        this.closeCode = message.payload.length < 2 ? 1005 : message.payload.readUInt16BE(0);
      else this.messages.push(message);
    }
    this.wake();
  }
}
