/**
 * Cluster DNS, on every node.
 *
 * The node itself holds the cluster's DNS service address (agent/network, ServiceRange), and this server answers there: pods, pods on
 * the host network and host processes reach it over the same address without any rule or hop in between, and it keeps answering while
 * the API server or another node is away. The proxy leaves the address alone (NodeModel.localServiceIPs).
 *
 * The control plane has to create what people and programs look for: Service kube-system/kube-dns (clusterIP as configured, label
 * k8s-app=kube-dns, ports dns 53/UDP and dns-tcp 53/TCP, no selector). Its EndpointSlice is optional; nothing here reads it. To hand the
 * address over to CoreDNS: do not run this server, give neither ServiceRange nor the proxy the address, and give the Service a selector.
 *
 * - Ready when it is bound and services are known; before, cluster names get SERVFAIL, so that clients ask again instead of
 *   believing that a name does not exist.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { addressesOf, decodeQuery, encodeAnswer, retarget } from './dns-message.ts';
import type { Query } from './dns-message.ts';
import type { Forwarder } from './forwarder.ts';
import type { ListerRecords } from './lister-records.ts';
import { answerQuestion } from './plan/answer-question.ts';
import type { ZoneOptions } from './plan/answer-question.ts';
import { truncatedResponse } from './plan/raw-response.ts';
import type { ZoneRecord } from './plan/zone-records.ts';

export interface DnsServerOptions {
  /** Where to answer; the port is 53 unless for tests. */
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  readonly zone: ZoneOptions;
  readonly records: ListerRecords;
  readonly forwarder: Forwarder;
  readonly log: Logger;
}

const TCP_IDLE_MS = 10_000;
const MAX_TCP_CLIENTS = 200;
const MAX_ALIASES = 8;

export class DnsServer implements Component {
  readonly name = 'dns';
  private readonly options: DnsServerOptions;
  private readonly isReady: Promise<void>;
  private readonly settleReady: { resolve: () => void; reject: (error: unknown) => void };
  private readonly clients = new Set<Socket>();

  constructor(options: DnsServerOptions) {
    this.options = options;
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.isReady = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.isReady.catch(() => {});
    this.settleReady = settle ?? { resolve: () => {}, reject: () => {} };
  }

  ready(): Promise<void> {
    return this.isReady;
  }

  async run(signal: AbortSignal): Promise<void> {
    const udp: UdpSocket[] = [];
    const tcp: Server[] = [];
    try {
      for (const at of this.options.listen) {
        udp.push(await this.bindUdp(at));
        tcp.push(await this.bindTcp(at));
      }
      this.options.records.synced().then(this.settleReady.resolve, this.settleReady.reject);
      await new Promise<void>(resolve => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    } catch (error) {
      this.settleReady.reject(error);
      throw error;
    } finally {
      for (const socket of udp) socket.close();
      for (const client of this.clients) client.destroy();
      await Promise.all(tcp.map(server => new Promise(resolve => server.close(resolve))));
      this.settleReady.reject(signal.reason ?? new Error('cluster DNS stopped'));
    }
  }

  /** The answer to one packet; undefined if it deserves none. */
  async answer(bytes: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const decoded = decodeQuery(bytes);
    if (decoded.kind === 'ignore') return undefined;
    if (decoded.kind === 'bad') return decoded.reply;
    const { query } = decoded;
    try {
      return await this.answerQuery(query, transport === 'udp' ? query.udpBytes : undefined);
    } catch (error) {
      this.options.log.warn(
        { name: query.name, type: query.type, error: String(error) },
        'a question could not be answered',
      );
      return encodeAnswer(query, { rcode: 'SERVFAIL', authoritative: false }, undefined);
    }
  }

  private async answerQuery(query: Query, maxBytes: number | undefined): Promise<Buffer> {
    const { records, zone, forwarder } = this.options;
    const aliases: ZoneRecord[] = [];
    let current = query;
    for (;;) {
      const answer = answerQuestion(current, records, zone);
      if (answer.kind !== 'forward' && !records.hasSynced()) {
        return encodeAnswer(query, { rcode: 'SERVFAIL', authoritative: false }, maxBytes);
      }
      if (answer.kind === 'answer') {
        const answers = [...aliases, ...answer.answers];
        return encodeAnswer(query, { ...answer, answers, authoritative: true }, maxBytes);
      }
      if (answer.kind === 'forward') {
        const response = await forwarder.forward(current);
        if (response === undefined)
          return encodeAnswer(query, { rcode: 'SERVFAIL', authoritative: false, answers: aliases }, maxBytes);
        if (aliases.length === 0)
          return maxBytes !== undefined && response.length > maxBytes ? truncatedResponse(response) : response;
        return encodeAnswer(
          query,
          { rcode: 'NOERROR', authoritative: true, answers: [...aliases, ...addressesOf(response)] },
          maxBytes,
        );
      }
      aliases.push(answer.record);
      if (aliases.length > MAX_ALIASES)
        return encodeAnswer(query, { rcode: 'SERVFAIL', authoritative: false }, maxBytes);
      current = retarget(query, answer.target);
    }
  }

  private bindUdp({ address, port }: { address: string; port: number }): Promise<UdpSocket> {
    const socket = createSocket(address.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
    socket.on('message', (message: Buffer, from: RemoteInfo) => {
      void this.answer(message, 'udp').then(reply => {
        // The client may be gone, and the socket closed meanwhile.
        if (reply !== undefined) trySend(socket, reply, from);
      });
    });
    return new Promise((resolve, reject) => {
      socket.once('error', cause => {
        socket.close();
        reject(cannotBind(address, port, 'UDP', cause));
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        socket.on('error', error => this.options.log.warn({ error: error.message }, 'DNS over UDP'));
        resolve(socket);
      });
    });
  }

  private bindTcp({ address, port }: { address: string; port: number }): Promise<Server> {
    const server = createServer(socket => this.serveTcp(socket));
    server.maxConnections = MAX_TCP_CLIENTS;
    return new Promise((resolve, reject) => {
      server.once('error', cause => reject(cannotBind(address, port, 'TCP', cause)));
      server.listen({ host: address, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        server.on('error', error => this.options.log.warn({ error: error.message }, 'DNS over TCP'));
        resolve(server);
      });
    });
  }

  /** Questions of one connection, answered in order. */
  private serveTcp(socket: Socket): void {
    let received = Buffer.alloc(0);
    let busy = Promise.resolve();
    this.clients.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('close', () => this.clients.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', data => {
      received = received.length === 0 ? data : Buffer.concat([received, data]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const length = received.readUInt16BE(0);
        const message = received.subarray(2, 2 + length);
        received = received.subarray(2 + length);
        socket.pause();
        busy = busy.then(async () => {
          const reply = await this.answer(message, 'tcp');
          if (reply === undefined) return void socket.destroy();
          const header = Buffer.alloc(2);
          header.writeUInt16BE(reply.length);
          if (!socket.destroyed) socket.write(Buffer.concat([header, reply]));
          socket.resume();
        });
      }
    });
  }
}

function trySend(socket: UdpSocket, reply: Buffer, to: RemoteInfo): void {
  try {
    socket.send(reply, to.port, to.address);
  } catch {
    // Closed: the process is ending.
  }
}

function cannotBind(address: string, port: number, transport: string, cause: Error): Error {
  const step = 'is another DNS server running there, and does the node hold the address?';
  return new Error(`Cluster DNS cannot listen on ${address}:${port} (${transport}): ${cause.message}; ${step}`, {
    cause,
  });
}
