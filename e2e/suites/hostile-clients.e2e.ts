/**
 * Clients that take and give nothing: what they cost the API server is bounded, others are served meanwhile, and it is over when they are gone.
 * Memory is compared with what the clients asked for, or with what the server itself needs.
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ServerUnderTest } from '../bench/api/access.ts';
import { CONFIG_MAPS, configMap, onEach } from '../bench/api/config-maps.ts';
import { RawConnection } from '../bench/api/raw-connection.ts';
import { startK8ts } from '../bench/api/start-k8ts.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { anonymousBytes } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';

const MB = 1e6;
const OBJECTS = 5_000;
const CLIENTS = 100;
/** Files that the server may open meanwhile for itself. */
const SLACK_FILES = 20;

let estate: Estate;
let server: ServerUnderTest;
let connections: RawConnection[];
const open = new Set<Socket>();

beforeAll(async () => {
  estate = openEstate('hostile-clients');
  server = await startK8ts(join(estate.directory, 'k8ts'));
  connections = await Promise.all(Array.from({ length: 8 }, () => RawConnection.open(server.access)));
  await onEach(connections, OBJECTS, (c, i) => c.call('POST', CONFIG_MAPS, configMap(`bench-${i}`)));
}, 180_000);

afterAll(async () => {
  for (const connection of connections) connection.close();
  closeAll();
  await server.stop();
  await closeEstate(estate);
}, 60_000);

/** The server's own memory, MB. */
function memoryMB(): number {
  return anonymousBytes(server.pids[0] ?? 0) / MB;
}

function kept<S extends Socket>(socket: S): S {
  open.add(socket);
  socket.on('error', () => {});
  socket.once('close', () => open.delete(socket));
  return socket;
}

function closeAll(): void {
  for (const socket of open) socket.destroy();
}

/** A connection that has said `text` and never reads. */
async function mute(text: string): Promise<Socket> {
  const { host, port, tls } = server.access;
  const socket = kept(connectTls({ host, port, ...tls, ALPNProtocols: ['http/1.1'] }));
  await once(socket, 'secureConnect');
  socket.pause();
  socket.write(text);
  return socket;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: k8ts\r\naccept: application/json\r\n\r\n`;

function openFiles(): number {
  return readdirSync(`/proc/${server.pids[0]}/fd`).length;
}

/** Somebody new is served. */
async function answers(): Promise<void> {
  const connection = await RawConnection.open(server.access);
  await connection.call('GET', `${CONFIG_MAPS}/bench-1`).finally(() => connection.close());
}

test('clients that ask for everything and read nothing cost a small part of what they asked for', async () => {
  const [connection] = connections;
  const bytes = (await connection?.call('GET', CONFIG_MAPS)) ?? 0;
  const before = memoryMB();
  await Promise.all(Array.from({ length: CLIENTS }, () => mute(get(CONFIG_MAPS))));
  await sleep(2_000);
  await answers();
  expect(memoryMB() - before).toBeLessThan((CLIENTS * bytes) / MB / 5);
  closeAll();
}, 120_000);

test('watchers that read nothing cost a small part of what they watch, and others see all of it', async () => {
  const changes = 200;
  const data = { text: 'x'.repeat(100_000) };
  const body = (n: number): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'watched' },
      data: { ...data, n: String(n) },
    });
  const [connection] = connections;
  await connection?.call('POST', CONFIG_MAPS, body(0));
  const path = `${CONFIG_MAPS}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dwatched`;
  const reader = await mute(get(path));
  let seen = '';
  reader.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1').replace(/x+/g, '')));
  reader.resume();
  const before = memoryMB();
  await Promise.all(Array.from({ length: CLIENTS }, () => mute(get(path))));
  for (let n = 1; n <= changes; n++) await connection?.call('PUT', `${CONFIG_MAPS}/watched`, body(n));
  await waitFor('the reading watcher', () => seen.includes(`"n":"${changes}"`));
  expect(seen.match(/"type":"(ADDED|MODIFIED)"/g)).toHaveLength(changes + 1);
  expect(memoryMB() - before).toBeLessThan((CLIENTS * changes * data.text.length) / MB / 10);
  closeAll();
}, 120_000);

test('silent connections and half requests are closed, cost little, and leave nothing behind', async () => {
  const { host, port } = server.access;
  const before = memoryMB();
  const files = openFiles() + SLACK_FILES;
  const half = `GET ${CONFIG_MAPS} HTTP/1.1\r\nhost: k8ts\r\nx-slow: `;
  const slow = await Promise.all(Array.from({ length: CLIENTS }, () => mute(half)));
  const dribble = setInterval(() => {
    for (const socket of slow) if (!socket.destroyed) socket.write('x');
  }, 1_000);
  const silent = async (count: number): Promise<number> => {
    const from = memoryMB();
    const sockets = Array.from({ length: count }, () => kept(connectTcp({ host, port })));
    await Promise.all(sockets.map(socket => once(socket, 'connect')));
    for (const socket of sockets) socket.resume();
    await sleep(1_000);
    return memoryMB() - from;
  };
  try {
    const first = await silent(2_000);
    const second = await silent(2_000);
    // Thousands of them cost less than the server itself.
    expect(first + second).toBeLessThan(before);
    for (const socket of slow) socket.resume();
    await answers();
    // Counted where they are held: what overflows the kernel's queue looks open to a client alone.
    await waitFor('all to be closed by the server', () => openFiles() <= files, { timeoutMs: 120_000 });
    await waitFor('the clients to hear of it', () => slow.every(socket => socket.destroyed));
    await answers();
  } finally {
    clearInterval(dribble);
    closeAll();
  }
  await waitFor('their memory to go back', () => memoryMB() < before * 1.5, { timeoutMs: 90_000 });
}, 300_000);
