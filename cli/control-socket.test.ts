import { afterEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlSocket, askQuestion, askStatus, type DaemonStatus, type Questions } from './control-socket.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function socketPath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'control-socket-'));
  closing.push(() => rmSync(dir, { recursive: true }));
  return join(dir, 'socket');
}

async function serve(path: string, questions: Questions): Promise<void> {
  const socket = new ControlSocket(
    path,
    () => ({ pid: 1 }) as DaemonStatus,
    questions,
    () => {},
  );
  const stop = new AbortController();
  const running = socket.run(stop.signal);
  closing.push(() => (stop.abort(), running));
  await socket.ready();
}

test('ControlSocket tells what parts answer, and what they could not', async () => {
  const path = socketPath();
  const echo = (parameters: URLSearchParams): Promise<object> => Promise.resolve({ of: parameters.get('service') });
  const fails = (): Promise<object> => Promise.reject(new Error('no rules'));
  await serve(path, new Map([['proxy/explain', echo] as const, ['proxy/check', fails] as const]));
  expect(await askQuestion(path, 'proxy/explain', { service: 'a/b c' })).toEqual({ of: 'a/b c' });
  await expect(askQuestion(path, 'proxy/check')).rejects.toThrow('no rules');
  await expect(askQuestion(path, 'dns')).rejects.toThrow('has no dns');
});

test('ControlSocket survives a path that is none', async () => {
  const path = socketPath();
  await serve(path, new Map());
  const status = await new Promise(resolve =>
    request({ socketPath: path, path: '//' }, response => resolve(response.resume().statusCode)).end(),
  );
  expect(status).toBe(404);
  expect(await askStatus(path)).toEqual({ pid: 1 });
});

test('askStatus() does not wait for the rest of an answer that never comes', async () => {
  const path = socketPath();
  const server: Server = createServer(client => {
    client.on('error', () => {});
    client.once('data', () => client.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{', () => client.destroy()));
  });
  await new Promise<void>(resolve => server.listen(path, resolve));
  closing.push(() => server.close());
  expect(await askStatus(path)).toBeUndefined();
});
