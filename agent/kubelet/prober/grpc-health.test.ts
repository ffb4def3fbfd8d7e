import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { grpcHealthCheck } from './grpc-health.ts';

let server: Http2Server | undefined;
const sessions = new Set<ServerHttp2Session>();
afterEach(() => {
  for (const session of sessions) session.destroy();
  server?.close();
});

async function serving(onStream: (stream: ServerHttp2Stream) => void): Promise<number> {
  server = createServer();
  server.on('session', session => sessions.add(session));
  server.on('stream', stream => {
    stream.on('error', () => undefined);
    onStream(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const check = (port: number): Promise<string | undefined> =>
  grpcHealthCheck('127.0.0.1', port, '', 60_000, new AbortController().signal);

test.each([
  [1, undefined],
  [2, 'service unhealthy (responded with "NOT_SERVING")'],
])('grpcHealthCheck() of a service that says %i', async (status, want) => {
  const port = await serving(stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
  });
  expect(await check(port)).toBe(want);
});

test('grpcHealthCheck() hears no answer without end to its end', async () => {
  let sent = 0;
  const port = await serving(stream => {
    stream.respond({ ':status': 200 });
    const more = (): void => {
      while (!stream.destroyed && stream.write(Buffer.alloc(4096))) sent += 4096;
    };
    stream.on('drain', more);
    more();
  });
  expect(await check(port)).toBe('service unhealthy: it answers with more than 1024 bytes');
  // What fits into windows and buffers, and no more.
  expect(sent).toBeLessThan(10_000_000);
});
