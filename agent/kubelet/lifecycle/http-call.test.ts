import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { httpCall } from './http-call.ts';

let server: Server | undefined;
const sockets = new Set<Socket>();
afterEach(() => {
  server?.close();
  for (const socket of sockets) socket.destroy();
});

/** Answers whatever is asked with these bytes, over and over if so said. */
async function answering(text: string, isEndless = false): Promise<number> {
  server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(text);
      const more = (): void => {
        while (isEndless && !socket.destroyed && socket.write('x'.repeat(65_536)));
      };
      socket.on('drain', more);
      more();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const call = (port: number, timeoutMs: number) =>
  httpCall({ scheme: 'http', host: '127.0.0.1', port, path: '/', headers: {}, timeoutMs });

test('httpCall() takes a switch of protocols that nobody asked for as the answer', async () => {
  const port = await answering('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  expect((await call(port, 60_000)).statusCode).toBe(101);
});

test('httpCall() reads no more than it needs of an answer without end', async () => {
  const port = await answering('HTTP/1.1 200 OK\r\n\r\n', true);
  const { statusCode, body } = await call(port, 60_000);
  expect(statusCode).toBe(200);
  expect(body.length).toBeLessThanOrEqual(10 * 1024);
});

test.each([
  ['a body that does not end', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'],
  ['headers that do not end', 'HTTP/1.1 200 OK\r\nA: b\r\n'],
  ['words of patience without an answer', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['silence', ''],
])('httpCall() ends in time for %s', async (_what, text) => {
  const port = await answering(text);
  await expect(call(port, 20)).rejects.toThrow(Error);
});
