/** Questions by UDP on one address. */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Via } from './dns-metrics.ts';

/** The answer to one packet; undefined if it deserves none. Must not throw. */
export type Answer = (packet: Buffer, via: Via) => Buffer | undefined | Promise<Buffer | undefined>;

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** Bursts wait here while the process does something else; the kernel may allow less. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;

/** @throws Error that names the address when it is taken */
export function listenUdp({ address, port }: ListenAddress, answer: Answer, log: Logger): Promise<Socket> {
  const isIPv6 = address.includes(':');
  const via: Via = { transport: 'udp', family: isIPv6 ? '2' : '1' };
  const socket = createSocket({
    type: isIPv6 ? 'udp6' : 'udp4',
    ipv6Only: isIPv6,
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Answers go to where questions came from: there is nothing to look up, and doing so takes as long as the answer.
    lookup: (hostname, _options, done) => done(null, hostname, isIPv6 ? 6 : 4),
  });
  socket.on('message', (packet: Buffer, from: RemoteInfo) => {
    const reply = answer(packet, via);
    if (reply instanceof Promise) void reply.then(later => trySend(socket, later, from));
    else trySend(socket, reply, from);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', cause => {
      socket.close();
      reject(cannotListen(address, port, 'UDP', cause));
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', error => log.warn({ error: error.message }, 'DNS over UDP'));
      resolve(socket);
    });
  });
}

export function cannotListen(address: string, port: number, transport: string, cause: Error): Error {
  const step = 'is another DNS server running there, and does the node hold the address?';
  return new Error(`Cluster DNS cannot listen on ${address}:${port} (${transport}): ${cause.message}; ${step}`, {
    cause,
  });
}

function trySend(socket: Socket, reply: Buffer | undefined, to: RemoteInfo): void {
  // A packet from port 0 cannot be answered.
  if (reply === undefined || to.port === 0) return;
  try {
    socket.send(reply, to.port, to.address);
  } catch {
    // Closed: the process is ending.
  }
}
