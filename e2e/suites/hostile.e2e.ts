/** Clients that mean harm, against the server's own process: it stays up, its memory stays bounded, and everybody else is served. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as http2Connect, constants, type ClientHttp2Session } from 'node:http2';
import { request } from 'node:https';
import { connect as tcpConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { parse } from 'yaml';
import { freePort } from '../../machinery/process/testdata/free-port.ts';
import { BUNDLE } from '../machine/host.ts';
import { pssBytes } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';

jest.setTimeout(60_000);

const MiB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'hostile-'));
let server: ChildProcess;
let port = 0;
let credentials: { ca: string; cert: string; key: string };
const open = new Set<Socket | ClientHttp2Session>();

beforeAll(async () => {
  port = await freePort();
  const folders = ['data', 'config', 'run', 'log'].flatMap(name => [`--${name}-dir`, join(directory, name)]);
  const where = ['--bind-address=127.0.0.1', `--secure-port=${port}`, '--advertise-address=127.0.0.1'];
  server = spawn(
    BUNDLE,
    ['server', ...folders, ...where, '--node-ip=127.0.0.1', '--without=scheduler', '--without=controllers'],
    {
      stdio: 'ignore',
    },
  );
  const file = join(directory, 'config', 'kubeconfig.yaml');
  await waitFor('the kubeconfig', () => existsSync(file));
  const config = parse(readFileSync(file, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[];
    users: { user: Record<string, string> }[];
  };
  const text = (encoded: string | undefined): string => Buffer.from(encoded ?? '', 'base64').toString();
  credentials = {
    ca: text(config.clusters[0]?.cluster['certificate-authority-data']),
    cert: text(config.users[0]?.user['client-certificate-data']),
    key: text(config.users[0]?.user['client-key-data']),
  };
  await waitFor('the server', async () => (await call('GET', '/readyz').catch(() => 0)) === 200);
  for (let i = 0; i < 80; i++) {
    const body = { metadata: { name: `large-${i}` }, data: { x: 'y'.repeat(90_000) } };
    expect(await call('POST', '/api/v1/namespaces/default/configmaps', body)).toBe(201);
  }
});

afterAll(async () => {
  leave();
  if (server.exitCode === null) {
    server.kill('SIGTERM');
    await waitFor('the end of the server', () => server.exitCode !== null, { timeoutMs: 10_000 }).catch(() =>
      server.kill('SIGKILL'),
    );
  }
  rmSync(directory, { recursive: true, force: true });
});

function leave(): void {
  for (const one of open) one.destroy();
  open.clear();
}

function call(method: string, path: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, agent: false as const, ...credentials };
    const sent = request({ ...options, headers: { 'content-type': 'application/json' } }, answer => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A TLS connection for HTTP/1.1 that speaks what it is told. */
function tls(with_: { ca: string; cert?: string; key?: string }): Promise<TLSSocket> {
  return new Promise(resolve => {
    const socket = tlsConnect({ host: '127.0.0.1', port, ALPNProtocols: ['http/1.1'], ...with_ }, () =>
      resolve(socket),
    );
    socket.on('error', () => resolve(socket));
    open.add(socket);
  });
}

async function http2(with_: { ca: string; cert?: string; key?: string }): Promise<ClientHttp2Session> {
  const session = http2Connect(`https://127.0.0.1:${port}`, with_);
  session.on('error', () => {});
  open.add(session);
  await once(session, 'connect');
  return session;
}

/** Memory that an attack costs while it lasts. The rest of the world is served meanwhile, and afterwards. */
async function costOf(attack: () => Promise<unknown>): Promise<number> {
  const pid = server.pid ?? 0;
  const before = pssBytes(pid);
  await attack();
  expect(await call('GET', '/api/v1/namespaces/default')).toBe(200);
  const cost = pssBytes(pid) - before;
  leave();
  expect(await call('GET', '/api/v1/namespaces/default')).toBe(200);
  expect(server.exitCode).toBeNull();
  return cost;
}

test('idle connections, and requests that never end, cost little each', async () => {
  const count = 600;
  const { ca } = credentials;
  const cost = await costOf(async () => {
    for (let i = 0; i < count; i += 50) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => tls({ ca })));
      for (const [j, socket] of sockets.entries())
        if (j % 2 === 0) socket.write(`GET /version HTTP/1.1\r\nhost: x\r\nx-${j}: `);
    }
  });
  expect(cost / count).toBeLessThan(200 * 1024);
});

test('clients that ask for lists and never read them are not buffered for', async () => {
  const cost = await costOf(async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    for (let i = 0; i < 40; i++) {
      const socket = await tls(credentials);
      socket.pause();
      socket.write(`GET ${path}${i % 2 === 0 ? '' : '?watch=1'} HTTP/1.1\r\nhost: x\r\n\r\n`);
    }
    const session = await http2(credentials);
    for (let i = 0; i < 100; i++)
      session
        .request({ ':path': path })
        .on('error', () => {})
        .pause();
    await new Promise(resolve => setTimeout(resolve, 1000));
  });
  // They ask for 420 lists of 7 MiB, which are 3 GiB.
  expect(cost).toBeLessThan(400 * MiB);
});

test('bodies of those who may not send any are not kept', async () => {
  const { ca } = credentials;
  const cost = await costOf(async () => {
    const session = await http2({ ca });
    for (let i = 0; i < 300; i++) {
      const stream = session.request({ ':path': '/api/v1/namespaces/default/configmaps', ':method': 'POST' });
      stream.on('error', () => {});
      stream.resume();
      stream.write(Buffer.alloc(512 * 1024));
    }
    await new Promise(resolve => setTimeout(resolve, 1000));
  });
  expect(cost).toBeLessThan(150 * MiB);
});

test('floods of resets, pings, settings, headers and handshakes leave others served', async () => {
  const { ca } = credentials;
  const cost = await costOf(async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => http2({ ca })));
    for (const session of sessions) {
      for (let i = 0; i < 3000 && !session.destroyed && !session.closed; i++) {
        const stream = session.request({ ':path': '/api/v1/pods?watch=1', [`x-${i}`]: 'y'.repeat(200) });
        stream.on('error', () => {});
        stream.close(constants.NGHTTP2_CANCEL);
        session.ping(() => {});
        if (i % 50 === 0) session.settings({ headerTableSize: i });
      }
    }
    for (let i = 0; i < 300; i++) {
      const socket = tcpConnect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, i & 255]));
      open.add(socket);
    }
    await new Promise(resolve => setTimeout(resolve, 500));
  });
  expect(cost).toBeLessThan(150 * MiB);
});
