import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import type { TLSSocket as TlsSocket } from 'node:tls';
import { createServer as createTcp, type AddressInfo, type Server as TcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Container, Probe } from '../../../proto/api/core-v1.ts';
import { createAuthority } from '../../../machinery/pki/certificate.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { HookRunner } from '../lifecycle/hook-runner.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { ProbeRunner } from './probe-runner.ts';

const HERE = '127.0.0.1';
const seen: IncomingMessage[] = [];
let http: Server;
/** What each connection named its server. */
const serverNames: unknown[] = [];
let https: HttpsServer;
let grpc: ReturnType<typeof createHttp2>;
let silent: TcpServer;
let port = 0;
let closedPort = 0;
const grpcPort = (): number => (grpc.address() as AddressInfo).port;
const silentPort = (): number => (silent.address() as AddressInfo).port;

beforeAll(async () => {
  http = createServer((request, answer) => {
    seen.push(request);
    const [, status = '200', location] = (request.url ?? '').split('/');
    if (status === 'loop') return answer.writeHead(302, { location: '/loop' }).end();
    // Each in time, all of them not.
    if (status === 'slow') return setTimeout(() => answer.writeHead(302, { location: '/slow' }).end(), 25);
    answer.writeHead(Number(status) || 404, location === undefined ? {} : { location: decodeURIComponent(location) });
    return answer.end('body');
  });
  const { certPem, keyPem } = createAuthority('nobody knows it', Date.now());
  https = createHttps({ cert: certPem, key: keyPem }, (request, answer) => {
    serverNames.push((request.socket as TlsSocket).servername);
    // Relative to here, not to where the first request went.
    if (request.url === '/302') answer.writeHead(302, { location: '/fine' }).end();
    else answer.end('secret');
  });
  // Says for each service what its name says.
  grpc = createHttp2();
  grpc.on('stream', stream => {
    stream.on('data', (body: Buffer) => {
      const name = body.subarray(7).toString();
      const status = name === 'sick' ? 2 : 1;
      if (name === 'unknown') return stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
    });
  });
  silent = createTcp();
  const closed = createTcp();
  for (const server of [http, https, grpc, silent, closed])
    await new Promise<void>(done => server.listen(0, HERE, () => done()));
  port = (http.address() as AddressInfo).port;
  closedPort = (closed.address() as AddressInfo).port;
  await new Promise(done => closed.close(done));
});
afterAll(() => {
  for (const server of [http, https, grpc, silent]) server.close();
});

const container = (): Container => ({ name: 'c', ports: [{ name: 'web', containerPort: port }] });
const ok = { stdout: Buffer.from('out'), stderr: Buffer.from('err'), exitCode: 0 };

function runner(exec: () => Promise<unknown> = () => Promise.resolve(ok)): ProbeRunner {
  return new ProbeRunner({ execSync: exec } as unknown as RuntimeService);
}

function run(probe: Probe, timeoutMs = 30_000, by = runner()) {
  return by.run(probe, container(), 'id', HERE, timeoutMs, new AbortController().signal);
}

describe('httpGet', () => {
  test.each([
    [200, 'success', 'body'],
    [399, 'success', 'Probe terminated redirects, Response body: body'],
    [400, 'failure', 'HTTP probe failed with statuscode: 400'],
    [503, 'failure', 'HTTP probe failed with statuscode: 503'],
  ])('%i is %s', async (status, kind, output) => {
    expect(await run({ httpGet: { port, path: `/${status}` } })).toMatchObject({ kind, output });
  });

  test('finds named ports, says who asks, and sends what it is told to', async () => {
    const httpHeaders = [
      { name: 'Host', value: 'example.org' },
      { name: 'X-A', value: '1' },
      { name: 'x-a', value: '2' },
    ];
    expect((await run({ httpGet: { port: 'web', path: 'plain', httpHeaders } })).kind).toBe('failure');
    expect(seen.at(-1)).toMatchObject({
      url: '/plain',
      headers: { host: 'example.org', 'x-a': '1, 2', 'user-agent': 'kube-probe/1.36', accept: '*/*' },
    });
    expect(await run({ httpGet: { port: 'none' } })).toEqual({
      kind: 'failure',
      output: 'container has no port named "none"',
    });
  });

  test('follows redirects on the host, and takes one to elsewhere for an answer', async () => {
    expect((await run({ httpGet: { port, path: `/302/${encodeURIComponent('/500')}` } })).kind).toBe('failure');
    expect(await run({ httpGet: { port, path: `/302/${encodeURIComponent('http://192.0.2.9/')}` } })).toEqual({
      kind: 'success',
      output: 'Probe terminated redirects, Response body: body',
      isWarning: true,
    });
  });

  test('goes by where it was sent last, and follows to HTTP and HTTPS alone', async () => {
    const { port: httpsPort } = https.address() as AddressInfo;
    const away = encodeURIComponent(`https://${HERE}:${httpsPort}/302`);
    expect(await run({ httpGet: { port, path: `/302/${away}` } })).toEqual({ kind: 'success', output: 'secret' });
    const ftp = await run({ httpGet: { port, path: `/302/${encodeURIComponent(`ftp://${HERE}/`)}` } });
    expect(ftp.output).toContain('unsupported protocol scheme "ftp"');
  });

  test('HTTPS of a server with a certificate of its own passes; an address is asked for by no name', async () => {
    const { port: httpsPort } = https.address() as AddressInfo;
    const httpHeaders = [{ name: 'Host', value: 'example.org' }];
    const asked = await run({ httpGet: { port: httpsPort, path: '/fine', scheme: 'HTTPS', httpHeaders } });
    expect(asked).toEqual({ kind: 'success', output: 'secret' });
    expect(serverNames.at(-1)).toBe(false);
  });

  test('follows redirects for so long only, in number and in time', async () => {
    const before = seen.length;
    expect(await run({ httpGet: { port, path: '/loop' } })).toEqual({
      kind: 'failure',
      output: 'Get "/loop": stopped after 10 redirects',
    });
    expect(seen.length - before).toBe(10);
    const { kind, output } = await run({ httpGet: { port, path: '/slow' } }, 60);
    expect({ kind, output }).toEqual({ kind: 'failure', output: expect.stringContaining('context deadline exceeded') });
  });

  test('nobody there, and nobody who answers, are told apart', async () => {
    expect((await run({ httpGet: { port: closedPort } })).output).toBe(
      `Get "http://${HERE}:${closedPort}/": dial tcp ${HERE}:${closedPort}: connect: connection refused`,
    );
    const late = await run({ httpGet: { port: silentPort() } }, 50);
    expect(late.output).toMatch(/context deadline exceeded/);
  });

  test('HTTPS of a server without TLS fails', async () => {
    expect((await run({ httpGet: { port, scheme: 'HTTPS' } })).kind).toBe('failure');
  });
});

test('tcpSocket succeeds where somebody listens', async () => {
  expect((await run({ tcpSocket: { port: 'web' } })).kind).toBe('success');
  expect((await run({ tcpSocket: { port: closedPort, host: HERE } })).output).toBe(
    `dial tcp ${HERE}:${closedPort}: connect: connection refused`,
  );
});

test.each([
  ['', 'success', 'service healthy'],
  ['sick', 'failure', 'service unhealthy (responded with "NOT_SERVING")'],
  ['unknown', 'failure', 'service unhealthy: rpc status 5'],
])('grpc of service "%s": %s', async (service, kind, output) => {
  expect(await run({ grpc: { port: grpcPort(), service } })).toEqual({ kind, output });
});

test.each<[string, () => Promise<unknown>, string, string]>([
  ['ends well', () => Promise.resolve(ok), 'success', 'outerr'],
  ['fails', () => Promise.resolve({ ...ok, exitCode: 1 }), 'failure', 'outerr'],
  [
    'takes too long',
    () => Promise.reject(new RuntimeError('DeadlineExceeded', 'ExecSync', 'late', 0)),
    'failure',
    'command timed out: "a b" timed out after 1s',
  ],
  [
    'cannot be run',
    () => Promise.reject(new RuntimeError('Unknown', 'ExecSync', 'no such file', 0)),
    'failure',
    'no such file',
  ],
  [
    'is asked of a runtime that is away',
    () => Promise.reject(new RuntimeError('Unavailable', 'ExecSync', 'away', 0)),
    'unknown',
    'away',
  ],
])('a command that %s', async (_name, exec, kind, output) => {
  expect(await run({ exec: { command: ['a', 'b'] } }, 1_000, runner(exec))).toEqual({ kind, output });
});

describe('hooks', () => {
  const hook = (handler: object, exec: () => Promise<unknown> = () => Promise.resolve(ok)): Promise<void> => {
    const hooks = new HookRunner({ execSync: exec } as unknown as RuntimeService, new FakeClock());
    return hooks.run(handler, container(), 'id', HERE, new AbortController().signal);
  };

  test('of HTTP are done once somebody answers, whatever it is', async () => {
    await hook({ httpGet: { port, path: '/500' } });
    expect(seen.at(-1)?.headers['user-agent']).toBe('kube-lifecycle/1.36');
    await expect(hook({ httpGet: { port: closedPort } })).rejects.toThrow('connection refused');
  });

  test('of HTTPS fall back to HTTP where that is what is spoken', async () => {
    await hook({ httpGet: { port, scheme: 'HTTPS', path: '/200' } });
  });

  test('of TCP knock', async () => {
    await hook({ tcpSocket: { port: 'web' } });
    await expect(hook({ tcpSocket: { port: closedPort } })).rejects.toThrow(`dial tcp ${HERE}:${closedPort}`);
    await expect(hook({ tcpSocket: { port: 'none' } })).rejects.toThrow('no port named "none"');
  });

  test('may sleep for no time at all', async () => {
    const clock = new FakeClock();
    const hooks = new HookRunner({} as unknown as RuntimeService, clock);
    const slept = hooks.run({ sleep: { seconds: 0 } }, container(), 'id', HERE, new AbortController().signal);
    await clock.advance(0);
    await slept;
  });

  test('of commands tell what the command said', async () => {
    const failed = () => Promise.resolve({ ...ok, exitCode: 3 });
    await expect(hook({ exec: { command: ['a', 'b'] } }, failed)).rejects.toThrow(
      "command 'a b' exited with 3: outerr",
    );
  });
});
