import { createServer, connect, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { listenHost, peerAddress } from './listen-host.ts';

test.each(['0.0.0.0', '::'])('who listens on %s is reached by every address of the machine', async address => {
  const peers: string[] = [];
  const server = createServer(socket => {
    peers.push(peerAddress(socket.remoteAddress));
    socket.end();
  });
  await new Promise<void>(resolve => server.listen({ host: listenHost(address), port: 0 }, resolve));
  const { port, family } = server.address() as AddressInfo;
  // A kernel without IPv6 has but the one.
  const hosts = family === 'IPv6' ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  for (const host of hosts) {
    await new Promise((resolve, reject) => connect({ host, port }).on('error', reject).on('close', resolve).resume());
  }
  await new Promise(resolve => server.close(resolve));
  expect(peers).toEqual(hosts);
});

test('one address is just that', () => {
  expect(listenHost('127.0.0.1')).toBe('127.0.0.1');
  expect(peerAddress('fd00::1')).toBe('fd00::1');
  expect(peerAddress(undefined)).toBe('');
});
