/**
 * One question to one upstream server. UDP from a fresh port each time (an answer cannot be guessed), then TCP if the answer
 * was cut short.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Upstream } from './plan/forward-rules.ts';
import { isTruncated } from './plan/raw-response.ts';

/**
 * Asks `upstream`; resolves with the whole response, whose id is that of `query`. Where the server cuts its answer short and cannot be asked
 * over TCP, the short answer is returned: it says itself what it is.
 * @throws Error on silence or refusal
 */
export type Exchange = (upstream: Upstream, query: Buffer, timeoutMs: number) => Promise<Buffer>;

export const exchange: Exchange = async (upstream, query, timeoutMs) => {
  const response = await overUdp(upstream, query, timeoutMs);
  return isTruncated(response) ? overTcp(upstream, query, timeoutMs).catch(() => response) : response;
};

/** `192.0.2.1:53`, `[fd00::1]:53`. */
export function addressText({ address, port }: Upstream): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function overUdp(upstream: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(upstream.address.includes(':') ? 'udp6' : 'udp4');
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => {});
      socket.close();
      settle();
    };
    const timer = setTimeout(() => finish(() => reject(new Error(`no answer in ${timeoutMs} ms`))), timeoutMs);
    socket.once('error', error => finish(() => reject(error)));
    // Whoever ends does not wait for it.
    timer.unref();
    socket.unref();
    // A connected socket takes packets of this server alone; the id and question must fit as well.
    socket.on('message', message => {
      if (isAnswerTo(query, message)) finish(() => resolve(message));
    });
    socket.on('connect', () => socket.send(query));
    socket.connect(upstream.port, upstream.address);
  });
}

function overTcp(upstream: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(upstream.port, upstream.address);
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.once('connect', () => socket.write(Buffer.concat([length, query])));
    socket.on('data', data => {
      received = Buffer.concat([received, data]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      if (isAnswerTo(query, message)) resolve(message);
      socket.destroy(new Error('an answer to another question'));
    });
    socket.on('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('closed without an answer'));
    });
  });
}

function isAnswerTo(query: Buffer, message: Buffer): boolean {
  return (
    message.length >= 12 &&
    ((message[2] ?? 0) & 0x80) !== 0 &&
    message.readUInt16BE(0) === query.readUInt16BE(0) &&
    hasQuestion(query, message)
  );
}

// Names may come back in other case or without a question at all (on errors).
function hasQuestion(query: Buffer, message: Buffer): boolean {
  if (message.readUInt16BE(4) === 0) return true;
  let end = 12;
  while ((query[end] ?? 0) !== 0) end += 1 + (query[end] ?? 0);
  return query.toString('latin1', 12, end + 5).toLowerCase() === message.toString('latin1', 12, end + 5).toLowerCase();
}
