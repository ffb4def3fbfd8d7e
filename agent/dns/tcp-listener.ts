/**
 * Questions by TCP on one address: many on a connection, answered as they are ready (RFC 7766).
 *
 * Bounded against clients that are slow or mean no good: in connections (the one that was quiet longest goes, of the client that has
 * most), in questions under way and answers not yet read on each, in the length of a question, and in the time without one.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Via } from './dns-metrics.ts';
import { cannotListen } from './udp-listener.ts';
import type { Answer, ListenAddress } from './udp-listener.ts';

export interface TcpLimits {
  readonly connections: number;
  /** Without a whole question or an answer read. */
  readonly idleMs: number;
}

const LIMITS: TcpLimits = { connections: 256, idleMs: 10_000 };
const MAX_QUESTION_BYTES = 4_096;
const MAX_UNDER_WAY = 100;
const MAX_UNREAD_BYTES = 128 * 1024;
const LENGTH_BYTES = 2;

export interface TcpListener {
  close(): Promise<void>;
}

/** @throws Error that names the address when it is taken */
export function listenTcp(
  { address, port }: ListenAddress,
  answer: Answer,
  log: Logger,
  limits: TcpLimits = LIMITS,
): Promise<TcpListener> {
  const via: Via = { transport: 'tcp', family: address.includes(':') ? '2' : '1' };
  const connections = new Set<TcpConnection>();
  const server = createServer(socket => {
    const connection = new TcpConnection(socket, packet => answer(packet, via), limits.idleMs);
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
    if (connections.size > limits.connections) crowdedOut(connections).destroy();
  });
  const close = async (): Promise<void> => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()));
    for (const connection of connections) connection.destroy();
    await closed;
  };
  return listening(server, { address, port }, log).then(() => ({ close }));
}

function listening(server: Server, { address, port }: ListenAddress, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => reject(cannotListen(address, port, 'TCP', cause)));
    server.listen({ host: address, port, exclusive: true, ipv6Only: true }, () => {
      server.removeAllListeners('error');
      server.on('error', error => log.warn({ error: error.message }, 'DNS over TCP'));
      resolve();
    });
  });
}

/** The quietest connection of the client that has most. */
function crowdedOut(connections: ReadonlySet<TcpConnection>): TcpConnection {
  const counts = new Map<string, number>();
  for (const { client } of connections) counts.set(client, (counts.get(client) ?? 0) + 1);
  return [...connections].reduce((worst, one) => {
    const more = (counts.get(one.client) ?? 0) - (counts.get(worst.client) ?? 0);
    return more > 0 || (more === 0 && one.quietSinceMs < worst.quietSinceMs) ? one : worst;
  });
}

class TcpConnection {
  readonly client: string;
  /** When the last whole question came or the last answer was read. */
  quietSinceMs = performance.now();
  private readonly socket: Socket;
  private readonly answer: (packet: Buffer) => Buffer | undefined | Promise<Buffer | undefined>;
  private received: Buffer = Buffer.alloc(0);
  private underWay = 0;

  constructor(
    socket: Socket,
    answer: (packet: Buffer) => Buffer | undefined | Promise<Buffer | undefined>,
    idleMs: number,
  ) {
    this.socket = socket;
    this.answer = answer;
    this.client = socket.remoteAddress ?? '';
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', data => this.take(data));
    socket.on('drain', () => {
      this.quietSinceMs = performance.now();
      this.read();
    });
    // Bytes alone do not keep it: a byte a second would.
    const watch = setInterval(() => {
      const isStuck = this.underWay === 0 || socket.writableLength > 0;
      if (isStuck && performance.now() - this.quietSinceMs >= idleMs) socket.destroy();
    }, idleMs / 2);
    watch.unref();
    socket.on('close', () => clearInterval(watch));
  }

  destroy(): void {
    this.socket.destroy();
  }

  private take(data: Buffer): void {
    this.received = this.received.length === 0 ? data : Buffer.concat([this.received, data]);
    this.read();
  }

  /** Answers what has come, as far as there is room for answers. */
  private read(): void {
    while (!this.socket.destroyed && this.received.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + this.received.readUInt16BE(0);
      if (end > LENGTH_BYTES + MAX_QUESTION_BYTES) return void this.socket.destroy();
      if (this.received.length < end) break;
      if (this.isFull()) return void this.socket.pause();
      const packet = this.received.subarray(LENGTH_BYTES, end);
      this.received = this.received.subarray(end);
      this.quietSinceMs = performance.now();
      const reply = this.answer(packet);
      if (!(reply instanceof Promise)) {
        this.send(reply);
        continue;
      }
      this.underWay++;
      void reply.then(later => {
        this.underWay--;
        this.send(later);
        this.read();
      });
    }
    this.socket.resume();
  }

  private isFull(): boolean {
    return this.underWay >= MAX_UNDER_WAY || this.socket.writableLength > MAX_UNREAD_BYTES;
  }

  /** Whoever sends what is no question gets no further. */
  private send(reply: Buffer | undefined): void {
    if (this.socket.destroyed) return;
    if (reply === undefined) return void this.socket.destroy();
    const framed = Buffer.allocUnsafe(LENGTH_BYTES + reply.length);
    framed.writeUInt16BE(reply.length);
    reply.copy(framed, LENGTH_BYTES);
    this.socket.write(framed);
  }
}
