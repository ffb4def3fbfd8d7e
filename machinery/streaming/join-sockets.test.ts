import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { joinSockets } from './join-sockets.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Both ends of a connection: ours, and the other's. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  sockets.push(near, far);
  return [near, far];
}

test('joinSockets() delivers all that a side said before it went, to a reader that is slow', async () => {
  const [left, client] = await pair();
  const [right, backend] = await pair();
  const closed = once(client, 'close');
  const joined = joinSockets(left, right);
  const sent = 1024 * 1024;
  backend.end(Buffer.alloc(sent));
  await sleep(20);
  let read = 0;
  client.on('data', (chunk: Buffer) => void (read += chunk.length));
  await Promise.all([joined, closed]);
  expect(read).toBe(sent);
});

test('joinSockets() closes both when nothing passes for too long', async () => {
  const [left, client] = await pair();
  const [right, backend] = await pair();
  client.resume();
  backend.resume();
  await joinSockets(left, right, { idleMs: 30 });
  expect([left.destroyed, right.destroyed]).toEqual([true, true]);
});
