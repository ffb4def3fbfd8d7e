import { describe, expect, test } from '@jest/globals';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WireRequest } from '../server/wire-request.ts';
import { answerOverWebSocket, wantsWebSocket } from './websocket-stream.ts';

const connection = { remoteAddress: '', certificate: undefined };

function upgradeRequest(headers: Record<string, string>) {
  const sent: Buffer[] = [];
  const socket = new PassThrough();
  socket.on('data', (chunk: Buffer) => sent.push(chunk));
  const request = new WireRequest('GET', '/log', headers, Readable.from([]), connection, {
    socket,
    head: Buffer.alloc(0),
  });
  return { request, text: () => Buffer.concat(sent).toString('latin1') };
}

// The key and its answer are the example of RFC 6455, section 1.3.
const KEY = { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };

describe('answerOverWebSocket()', () => {
  test('shakes hands, sends each chunk as a message and closes', async () => {
    const { request, text } = upgradeRequest({ ...KEY, 'sec-websocket-protocol': 'v9.other, binary.k8s.io' });
    expect(wantsWebSocket(request)).toBe(true);
    answerOverWebSocket(request, Readable.from([Buffer.from('ab'), Buffer.from('c')]));
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(text()).toContain('sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
    expect(text()).toContain('sec-websocket-protocol: binary.k8s.io\r\n');
    expect(text().split('\r\n\r\n')[1]).toBe('\x82\x02ab\x82\x01c\x88\x02\x03\xe8');
  });

  test('sends text of base64 when that protocol was chosen', async () => {
    const { request, text } = upgradeRequest({ ...KEY, 'sec-websocket-protocol': 'base64.binary.k8s.io' });
    answerOverWebSocket(request, Readable.from([Buffer.from('ab')]));
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(text().split('\r\n\r\n')[1]).toBe('\x81\x04YWI=\x88\x02\x03\xe8');
  });

  test('refuses protocols that it does not know', () => {
    const { request } = upgradeRequest({ ...KEY, 'sec-websocket-protocol': 'v4.channel.k8s.io' });
    expect(() => answerOverWebSocket(request, Readable.from([]))).toThrow('none of the protocols');
  });
});
