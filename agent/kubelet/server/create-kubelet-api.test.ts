import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, request as httpRequest, type Server as HttpServer } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '../../../machinery/client/client.ts';
import { createAuthority, DAY_MS, issueKeyPair, type KeyPair } from '../../../machinery/pki/certificate.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { withDefaults, type ConfigurationFile } from '../config/plan/kubelet-configuration.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { createKubeletApi, type KubeletApi } from './create-kubelet-api.ts';
import type { PodAccess } from './pod-access.ts';
import { freePort } from '../../../machinery/process/testdata/free-port.ts';

const nowMs = Date.now();
const authority = createAuthority('ca', nowMs);
const issue = (commonName: string, ...organizations: string[]): KeyPair =>
  issueKeyPair(authority, {
    subject: { commonName, organizations },
    usages: ['server', 'client'],
    dnsNames: ['node'],
    notBeforeMs: nowMs - 1000,
    notAfterMs: nowMs + DAY_MS,
  });
const SERVING = issue('first');
const NEXT = issue('second');
const ALICE = issue('alice', 'readers');

/** The parts of a kubelet that these tests reach. */
const access = {
  pods: () => [],
  runningContainer: () => ({ container: { id: 'c' } }),
} as unknown as PodAccess;

interface Setup {
  readonly configuration?: ConfigurationFile;
  /** The runtime's streaming server. */
  readonly streamUrl?: string;
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start({ configuration = {}, streamUrl = '' }: Setup = {}) {
  const port = await freePort();
  const asked: string[] = [];
  let pair = SERVING;
  const client = {
    raw: (
      _method: string,
      path: string,
      body: { spec: { token?: string; user?: string; resourceAttributes?: unknown } },
    ) => {
      asked.push(path.split('/').at(-1) ?? '');
      const { token, user } = body.spec;
      return Promise.resolve(
        token === undefined
          ? { status: { allowed: user === 'alice' || user === 'bob' } }
          : {
              status: token === 'good' ? { authenticated: true, user: { username: 'bob' } } : { authenticated: false },
            },
      );
    },
  } as unknown as Client;
  const api: KubeletApi = createKubeletApi({
    client,
    nodeName: 'node',
    configuration: withDefaults({ address: '127.0.0.1', port, ...configuration }),
    serving: () => pair,
    clientCaPem: authority.certPem,
    access,
    runtime: { exec: () => Promise.resolve(streamUrl) } as unknown as RuntimeService,
    reports: { '/metrics': () => Promise.resolve({ type: 'text/plain', text: 'm 1\n' }) },
    metrics: new MetricsRegistry(),
    health: () => undefined,
    root: tmpdir(),
    version: 'v1.36.0',
    flags: {},
    clock: systemClock,
    logger: silentLogger,
  });
  const abort = new AbortController();
  const runs = api.servers.map(server => server.run(abort.signal));
  for (const run of runs) run.catch(() => undefined);
  stops.push(async () => {
    abort.abort();
    await Promise.allSettled(runs);
  });
  await Promise.all(api.servers.map(server => server.ready()));
  const renew = (next: KeyPair): void => {
    pair = next;
    api.renewCertificate();
  };
  return { port, asked, renew };
}

interface Asked {
  readonly as?: KeyPair;
  readonly token?: string;
  readonly plain?: boolean;
  readonly method?: string;
}

function ask(port: number, path: string, { as, token, plain = false, method = 'GET' }: Asked = {}): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = { host: '127.0.0.1', port, path, method, headers, agent: false as const };
  const tls = { rejectUnauthorized: false, ...(as === undefined ? {} : { cert: as.certPem, key: as.keyPem }) };
  return new Promise((resolve, reject) => {
    const request = plain ? httpRequest(options) : httpsRequest({ ...options, ...tls });
    request.once('error', reject);
    request.once('response', response => {
      let text = '';
      response.on('data', (chunk: Buffer) => void (text += chunk.toString()));
      response.once('end', () => resolve(`${response.statusCode} ${text.trim()}`));
    });
    request.end();
  });
}

describe('who is let in', () => {
  test('certificates and tokens, whom the API server allows; it is asked once a while', async () => {
    const { port, asked } = await start();
    expect(await ask(port, '/healthz')).toBe('401 Unauthorized');
    expect(await ask(port, '/healthz', { token: 'bad' })).toBe('401 Unauthorized');
    expect(await ask(port, '/healthz', { as: ALICE })).toBe('200 ok');
    expect(await ask(port, '/healthz', { token: 'good' })).toBe('200 ok');
    const eve = issue('eve');
    expect(await ask(port, '/pods', { as: eve })).toContain('403 Forbidden (user=eve, verb=get, resource=nodes,');
    const before = asked.length;
    await Promise.all([
      ask(port, '/healthz', { as: ALICE }),
      ask(port, '/healthz', { token: 'good' }),
      ask(port, '/healthz', { token: 'bad' }),
      ask(port, '/pods', { as: eve }),
    ]);
    expect(asked.length).toBe(before);
  });

  test('anonymous ones and everybody, when the configuration says so', async () => {
    const { port, asked } = await start({
      configuration: { authentication: { anonymous: { enabled: true } }, authorization: { mode: 'AlwaysAllow' } },
    });
    expect(await ask(port, '/healthz')).toBe('200 ok');
    expect(asked).toEqual([]);
    // Wrong credentials are not those of nobody.
    expect(await ask(port, '/healthz', { token: 'bad' })).toBe('401 Unauthorized');
  });

  test('no tokens, when they may not be asked about', async () => {
    const { port, asked } = await start({ configuration: { authentication: { webhook: { enabled: false } } } });
    expect(await ask(port, '/healthz', { token: 'good' })).toBe('401 Unauthorized');
    expect(asked).toEqual([]);
  });
});

describe('what is served', () => {
  test('health alone on the health port, what only reads on the read-only port', async () => {
    const [healthzPort, readOnlyPort] = [await freePort(), await freePort()];
    await start({ configuration: { healthzPort, readOnlyPort } });
    const plain = { plain: true };
    expect(await ask(healthzPort, '/healthz/ping', plain)).toBe('200 ok');
    expect(await ask(healthzPort, '/pods', plain)).toBe('404 404 page not found');
    expect(await ask(readOnlyPort, '/pods', plain)).toContain('200 {"kind":"PodList"');
    expect(await ask(readOnlyPort, '/metrics', plain)).toBe('200 m 1');
    expect(await ask(readOnlyPort, '/configz', plain)).toBe('404 404 page not found');
    expect(await ask(readOnlyPort, '/exec/a/b/c', plain)).toBe('404 404 page not found');
    expect(await ask(readOnlyPort, '/pods', { ...plain, method: 'POST' })).toBe('405 Method Not Allowed');
  });

  test('its configuration, without the passwords in it', async () => {
    const headers = { Authorization: ['Basic c2VjcmV0'] };
    const { port } = await start({ configuration: { staticPodURLHeader: headers } });
    const answer = await ask(port, '/configz', { as: ALICE });
    expect(answer).toContain('"staticPodURLHeader":{"Authorization":["<masked>"]}');
    expect(answer).not.toContain('c2VjcmV0');
  });

  test('nothing that debugs, when that is off', async () => {
    const { port } = await start({ configuration: { enableDebuggingHandlers: false } });
    expect(await ask(port, '/exec/a/b/c', { as: ALICE, method: 'POST' })).toBe('405 Debug endpoints are disabled.');
    expect(await ask(port, '/configz', { as: ALICE })).toBe('404 404 page not found');
    expect(await ask(port, '/pods', { as: ALICE })).toContain('200');
  });

  test('a port that is taken is named', async () => {
    const { port } = await start();
    await expect(start({ configuration: { port } })).rejects.toThrow(
      `The kubelet cannot listen on 127.0.0.1:${port}: another process holds it; see --kubelet-port`,
    );
  });
});

describe('certificates', () => {
  const shown = async (port: number, options: { maxVersion?: 'TLSv1.2' } = {}): Promise<string> => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };

  test('new connections are shown the one that is good then', async () => {
    const { port, renew } = await start();
    expect(await shown(port)).toBe('first');
    renew(NEXT);
    expect(await shown(port)).toBe('second');
    // One that is none leaves what there was.
    renew({ certPem: 'x', keyPem: 'y' });
    expect(await shown(port)).toBe('second');
  });

  test("an operator's files win; older versions of TLS are refused when asked to", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'k8ts-tls-'));
    stops.push(() => Promise.resolve(rmSync(folder, { recursive: true })));
    const [tlsCertFile, tlsPrivateKeyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    writeFileSync(tlsCertFile, NEXT.certPem);
    writeFileSync(tlsPrivateKeyFile, NEXT.keyPem);
    const { port } = await start({ configuration: { tlsCertFile, tlsPrivateKeyFile, tlsMinVersion: 'VersionTLS13' } });
    expect(await shown(port)).toBe('second');
    await expect(shown(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  test.each([
    [{ tlsCertFile: '/none', tlsPrivateKeyFile: '/none' }, 'Cannot read /none, which tlsCertFile names'],
    [{ tlsCipherSuites: ['TLS_X'] }, 'tlsCipherSuites: "TLS_X" is not known'],
  ])('settings that cannot be had are named: %j', async (configuration, message) => {
    await expect(start({ configuration })).rejects.toThrow(message);
  });
});

/** Of SPDY. */
const PING = Buffer.from('8003000600000004000000ff', 'hex');

describe('streams', () => {
  let url: string;
  let runtime: HttpServer;
  beforeAll(() => {
    runtime = createHttpServer();
    runtime.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: SPDY/3.1\r\nconnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
      socket.on('error', () => undefined);
    });
  });

  async function exec(port: number): Promise<TLSSocket> {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      cert: ALICE.certPem,
      key: ALICE.keyPem,
    });
    socket.write(
      'POST /exec/ns/pod/c?command=x&output=1 HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n',
    );
    return socket;
  }

  async function listenRuntime(): Promise<void> {
    runtime.listen(0, '127.0.0.1');
    await once(runtime, 'listening');
    url = `http://127.0.0.1:${(runtime.address() as AddressInfo).port}/x`;
    stops.push(async () => {
      runtime.closeAllConnections();
      runtime.close();
    });
  }

  test('are joined to the runtime, and closed when nothing passes for too long', async () => {
    await listenRuntime();
    const { port } = await start({ streamUrl: url, configuration: { streamingConnectionIdleTimeout: '100ms' } });
    const socket = await exec(port);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('\r\n\r\n')) socket.write(PING);
    });
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(text.endsWith(PING.toString())).toBe(true);
  });

  test('that the runtime does not take are refused in words', async () => {
    const { port } = await start({ streamUrl: `http://127.0.0.1:${await freePort()}/x` });
    const socket = await exec(port);
    let text = '';
    socket.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 500 /);
    expect(text).toContain("error dialing backend: the container runtime's streaming server: connect ECONNREFUSED");
  });
});
