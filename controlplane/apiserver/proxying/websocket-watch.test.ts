import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { WireRequest } from '../server/wire-request.ts';
import type { WatchEvent } from '../storage/storage.ts';
import { watchOverWebSocket } from './websocket-watch.ts';

test('watchOverWebSocket() sends a text message an event, then closes', async () => {
  const socket = new PassThrough();
  const written: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => written.push(chunk));
  const headers = {
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.eA, base64.binary.k8s.io',
  };
  const connection = { remoteAddress: '', certificate: undefined };
  const request = new WireRequest('GET', '/api/v1/pods?watch=1', headers, socket, connection, {
    socket,
    head: Buffer.alloc(0),
  });
  const event = (name: string): WatchEvent => ({
    type: 'ADDED',
    resourceVersion: '1',
    object: { metadata: { name } },
    stored: undefined,
    frame: () => Buffer.from(name),
  });
  async function* events(): AsyncIterable<readonly WatchEvent[]> {
    yield [event('a'), event('b')];
    await nextTurn();
    yield [event('c')];
  }
  expect(watchOverWebSocket(request, { kind: 'watch', events: events() })).toEqual({ kind: 'hijacked' });
  for (let i = 0; i < 10; i++) await nextTurn();
  const text = Buffer.concat(written).toString('latin1');
  expect(text).toContain('sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  expect(text).toContain('sec-websocket-protocol: base64.binary.k8s.io\r\n');
  expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('\x81\x01a\x81\x01b\x81\x01c\x88\x02\x03\xe8');
});
