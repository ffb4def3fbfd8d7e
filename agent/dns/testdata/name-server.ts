/** A name server of a test: real sockets on loopback, and what it answers is the test's. */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import * as packet from 'dns-packet';
import type { Upstream } from '../plan/forward-rules.ts';

/** What to say to a question; undefined for silence. */
export type Reply = (name: string, transport: 'udp' | 'tcp') => packet.Packet | undefined | Promise<packet.Packet | undefined>;

export class NameServer {
  /** Names asked, without those by which loops are looked for. */
  readonly asked: string[] = [];
  reply: Reply;
  private udp: Socket | undefined;
  private tcp: Server | undefined;
  private port = 0;

  constructor(reply: Reply = name => address(name)) {
    this.reply = reply;
  }

  get upstream(): Upstream {
    return { address: '127.0.0.1', port: this.port };
  }

  /** UDP and TCP on one free port. */
  async start(): Promise<this> {
    const tcp = createServer(socket => {
      socket.on('error', () => {});
      socket.once('data', data => {
        void this.answer(data.subarray(2), 'tcp').then(bytes => {
          if (bytes !== undefined) socket.end(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
        });
      });
    });
    await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve));
    this.port = (tcp.address() as { port: number }).port;
    this.tcp = tcp;
    await this.answerAgain();
    return this;
  }

  /** Over UDP; also after `refuse()`. */
  async answerAgain(): Promise<void> {
    const udp = createSocket('udp4');
    udp.on('message', (query, from) => {
      void this.answer(query, 'udp').then(bytes => {
        if (bytes !== undefined && this.udp === udp) udp.send(bytes, from.port, from.address);
      });
    });
    await new Promise<void>(resolve => udp.bind(this.port, '127.0.0.1', resolve));
    this.udp = udp;
  }

  /** Nobody listens on its port any more. */
  async refuse(): Promise<void> {
    const { udp } = this;
    this.udp = undefined;
    if (udp !== undefined) await new Promise<void>(resolve => udp.close(() => resolve()));
  }

  async stop(): Promise<void> {
    await this.refuse();
    await new Promise(resolve => this.tcp?.close(resolve));
  }

  private async answer(query: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const { id = 0, questions = [] } = readable(query);
    const { name = '', type } = questions[0] ?? {};
    if (type === 'HINFO') return packet.encode({ type: 'response', id, flags: 3, questions });
    this.asked.push(name);
    const said = await this.reply(name, transport);
    return said === undefined ? undefined : packet.encode({ type: 'response', id, questions, ...said });
  }
}

function readable(query: Buffer): packet.Packet {
  try {
    return packet.decode(query);
  } catch {
    return { id: query.readUInt16BE(0) };
  }
}

/** One address, and how long it may be kept. */
export function address(name: string, ttl = 20, data = '192.0.2.1'): packet.Packet {
  return { flags: packet.RECURSION_AVAILABLE, answers: [{ name, type: 'A', ttl, data }] };
}
