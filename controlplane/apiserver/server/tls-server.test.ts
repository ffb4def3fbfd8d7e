import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAuthority, issueKeyPair } from '../../../machinery/pki/certificate.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { loopbackTls, startServer, type RunningServer } from '../testdata/running-server.ts';
import { TlsServer } from './tls-server.ts';

const { ca, life, options } = loopbackTls();
const client = issueKeyPair(ca, {
  subject: { commonName: 'admin', organizations: ['system:masters'] },
  usages: ['client'],
  ...life,
});
let running: RunningServer;

beforeAll(async () => {
  running = await startServer(options);
});

afterAll(() => running.stop());

function http1(
  path: string,
  certificate?: { certPem: string; keyPem: string },
): Promise<{ status: number; body: string }> {
  const tls = certificate === undefined ? {} : { cert: certificate.certPem, key: certificate.keyPem };
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port: running.server.port, path, ca: ca.certPem, agent: false, ...tls },
      answer => {
        let body = '';
        answer.on('data', chunk => (body += String(chunk)));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    call.on('error', reject);
    call.end();
  });
}

test('TlsServer answers HTTP/1.1 with a client certificate', async () => {
  const { status, body } = await http1('/api/v1/namespaces/default', client);
  expect([status, (JSON.parse(body) as { kind: string }).kind]).toEqual([200, 'Namespace']);
});

test('TlsServer knows nobody without a certificate, and one of another authority is none', async () => {
  const anonymous = await http1('/api/v1/namespaces');
  expect([anonymous.status, (JSON.parse(anonymous.body) as { message: string }).message]).toEqual([
    403,
    'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope',
  ]);
  const other = createAuthority('other', life.notBeforeMs);
  const forged = issueKeyPair(other, {
    subject: { commonName: 'admin', organizations: ['system:masters'] },
    usages: ['client'],
    ...life,
  });
  expect((await http1('/api/v1/namespaces', forged)).status).toBe(401);
  expect(await http1('/healthz')).toEqual({ status: 200, body: 'ok' });
});

test('TlsServer answers HTTP/2 lists and refuses bodies of more than 3 MiB', async () => {
  const session = connect(`https://127.0.0.1:${running.server.port}`, {
    ca: ca.certPem,
    cert: client.certPem,
    key: client.keyPem,
  });
  const call = (headers: Record<string, string>, body?: Buffer): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const stream = session.request(headers);
      let status = 0;
      let text = '';
      stream.on('response', fields => (status = Number(fields[':status'])));
      stream.on('data', chunk => (text += String(chunk)));
      stream.on('end', () => resolve({ status, body: text }));
      stream.on('error', reject);
      stream.end(body);
    });
  const list = await call({ ':path': '/api/v1/namespaces' });
  expect((JSON.parse(list.body) as { items: unknown[] }).items).toHaveLength(4);
  const post = {
    ':method': 'POST',
    ':path': '/api/v1/namespaces/default/configmaps',
    'content-type': 'application/json',
  };
  expect((await call(post, Buffer.alloc(4 * 1024 * 1024, 0x20))).status).toBe(413);
  session.close();
});

test('a watch over HTTP/1.1 is chunked as it should be, ends, and leaves the connection usable', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const tls = {
    host: '127.0.0.1',
    port: running.server.port,
    ca: ca.certPem,
    cert: client.certPem,
    key: client.keyPem,
    agent,
  };
  const get = (path: string): Promise<{ text: string; localPort: number | undefined }> =>
    new Promise((resolve, reject) => {
      const call = request({ ...tls, path }, answer => {
        let text = '';
        const { localPort } = answer.socket;
        answer.on('data', chunk => (text += String(chunk)));
        answer.on('end', () => resolve({ text, localPort }));
      });
      call.on('error', reject);
      call.end();
    });
  const watch = await get(
    '/api/v1/namespaces?watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
  );
  const events = watch.text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as { type: string });
  expect(events.map(event => event.type)).toEqual([...Array<string>(4).fill('ADDED'), 'BOOKMARK']);
  const after = await get('/api/v1/namespaces/default');
  expect((JSON.parse(after.text) as { kind: string }).kind).toBe('Namespace');
  expect(after.localPort).toBe(watch.localPort);
  agent.destroy();
});

test('an HTTP/2 connection on which nothing is asked is closed, one that waits for an answer is not', async () => {
  let [arrived, release] = [(): void => {}, (): void => {}];
  const received = new Promise<void>(resolve => (arrived = resolve));
  const released = new Promise<void>(resolve => (release = resolve));
  const own = new TlsServer({
    tls: options.tls,
    bindAddress: '127.0.0.1',
    port: 0,
    logger: silentLogger,
    // Long enough for a request to arrive on a slow machine, since a connection that has not asked yet counts as idle.
    idleMs: 1_000,
    async serve(_request, sink) {
      arrived();
      await released;
      sink.writeHead(200, {});
      sink.body.end('late');
    },
  });
  await own.listen();
  const open = (): ClientHttp2Session => connect(`https://127.0.0.1:${own.port}`, { ca: ca.certPem });
  const busy = open();
  const busyClosed = once(busy, 'close');
  const answer = new Promise<string>((resolve, reject) => {
    const stream = busy.request({ ':path': '/' });
    stream.on('data', chunk => resolve(String(chunk)));
    stream.on('error', reject);
  });
  await received;
  // It asks nothing, and is closed after the other one had the same time to be.
  await once(open(), 'close');
  expect(busy.closed).toBe(false);
  release();
  expect(await answer).toBe('late');
  await busyClosed;
  await own.close();
});

test.each([
  { what: 'a port in use', bindAddress: '127.0.0.1', want: /127\.0\.0\.1:\d+: the port is in use .* --secure-port/ },
  {
    what: 'an address of elsewhere',
    bindAddress: '192.0.2.200',
    want: /192\.0\.2\.200:\d+: .* no such address; see --bind-address/,
  },
])('TlsServer.listen() on $what says so', async ({ bindAddress, want }) => {
  const { port } = running.server;
  const serve = (): Promise<void> => Promise.resolve();
  await expect(
    new TlsServer({ tls: options.tls, bindAddress, port, logger: silentLogger, serve }).listen(),
  ).rejects.toThrow(want);
});
