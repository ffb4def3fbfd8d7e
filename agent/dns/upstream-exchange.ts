/**
 * One question to one upstream server. UDP from a fresh port each time (an answer cannot be guessed), then TCP if the answer
 * was cut short.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

/** An upstream server; port 53 unless said otherwise. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

/** Asks `upstream`; resolves with the whole response, whose id is that of `query`. @throws Error on silence or refusal */
export type Exchange = (upstream: Upstream, query: Buffer, timeoutMs: number) => Promise<Buffer>;

export const exchange: Exchange = async (upstream, query, timeoutMs) => {
  const response = await overUdp(upstream, query, timeoutMs);
  return ((response[2] ?? 0) & 0x02) === 0 ? response : overTcp(upstream, query, timeoutMs);
};

function overUdp(upstream: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(upstream.address.includes(':') ? 'udp6' : 'udp4');
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const timer = setTimeout(() => finish(() => reject(new Error(`no answer in ${timeoutMs} ms`))), timeoutMs);
    socket.once('error', error => finish(() => reject(error)));
    // A connected socket takes packets of this server alone; the id and question must fit as well.
    socket.on('message', message => {
      if (isAnswerTo(query, message)) finish(() => resolve(message));
    });
    socket.connect(upstream.port, upstream.address, () => socket.send(query));
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
    socket.once('error', reject);
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
  const question = (bytes: Buffer): string =>
    bytes
      .subarray(12, end + 5)
      .toString('latin1')
      .toLowerCase();
  return question(query) === question(message);
}
