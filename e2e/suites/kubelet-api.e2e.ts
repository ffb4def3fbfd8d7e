/**
 * The kubelet's own API, and streams that pass the API server on their way to it: what clients of all ages speak, what each may do, and what
 * clients cannot do to a node who mean it harm.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SpdyClient } from '../../machinery/streaming/spdy-client.ts';
import { sharedCluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { anonymousBytes } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';
import { RefusedWebSocket, WebSocketClient } from '../machine/websocket-client.ts';
import { tlsTo } from '../machine/wire.ts';
import { pod, shell } from './objects.ts';

jest.setTimeout(60_000);

const KUBELET = 10_250;
const API = 6443;
const MB = 1e6;

let k: Kubectl;
let host: Host;
let admin: { cert: string; key: string };
/** Paths of the pod's streams: asked of the kubelet itself, and by way of the API server. */
let ways: Record<string, { port: number; path(what: 'exec' | 'attach' | 'portForward', query: string): string }>;

beforeAll(async () => {
  const cluster = await sharedCluster();
  host = cluster.control;
  k = await cluster.kubectl.newNamespace('kubelet-api');
  const pki = (name: string): string => readFileSync(host.path('data', 'server', 'pki', name), 'utf8');
  admin = { cert: pki('admin.crt'), key: pki('admin.key') };
  ways = {
    kubelet: {
      port: KUBELET,
      path: (what, query) => `/${what}/${k.namespace}/a${what === 'portForward' ? '' : '/main'}?${query}`,
    },
    'API server': {
      port: API,
      path: (what, query) =>
        `/api/v1/namespaces/${k.namespace}/pods/a/${what.toLowerCase()}?${query}${what === 'portForward' ? '' : '&container=main'}`,
    },
  };
  await k.apply(
    pod('a'),
    pod('lines', { command: shell('trap "exit 0" TERM; echo one; echo two >&2; sleep 1000 & wait') }),
  );
  await k.waitReady('pod a lines');
});
afterAll(async () => k?.removeNamespace());

function webSocket(port: number, path: string, ...protocols: string[]): Promise<WebSocketClient> {
  return WebSocketClient.open(tlsTo(host, port, admin), { path, protocols });
}

function command(words: readonly string[], more = ''): string {
  return `${words.map(word => `command=${encodeURIComponent(word)}`).join('&')}&stdout=true&stderr=true${more}`;
}

/** What the kubelet answers, asked from its own machine. */
async function ask(path: string, args: readonly string[] = [], body = ''): Promise<{ code: number; text: string }> {
  const pki = host.path('data', 'server', 'pki');
  const as = args.some(arg => arg.startsWith('authorization')) || args.includes('anonymous');
  const { stdout } = await host.tryRun(
    [
      ...['curl', '-sk', '--max-time', '20', '-w', '\n%{http_code}'],
      ...(as ? [] : ['--cert', join(pki, 'admin.crt'), '--key', join(pki, 'admin.key')]),
      ...args.flatMap(arg => (arg.startsWith('authorization') ? ['-H', arg] : arg === 'anonymous' ? [] : [arg])),
      `https://${host.address}:${KUBELET}${path}`,
    ],
    { input: body },
  );
  const at = stdout.lastIndexOf('\n');
  return { code: Number(stdout.slice(at + 1)), text: stdout.slice(0, at) };
}

describe.each(['kubelet', 'API server'])('streams by way of the %s', way => {
  const open = (query: string, ...protocols: string[]): Promise<WebSocketClient> => {
    const { port = 0, path } = ways[way] ?? {};
    return webSocket(port, path?.('exec', query) ?? '', ...protocols);
  };

  test.each([
    ['v5.channel.k8s.io', '{"metadata":{},"status":"Success"}'],
    ['v4.channel.k8s.io', '{"metadata":{},"status":"Success"}'],
    ['channel.k8s.io', ''],
  ])('exec over %s', async (protocol, status) => {
    const ws = await open(command(shell('echo out; echo err >&2')), protocol);
    await ws.closed;
    expect([ws.protocol, ws.textOf(1), ws.textOf(2), ws.textOf(3), ws.closeCode]).toEqual([
      protocol,
      'out\n',
      'err\n',
      status,
      1000,
    ]);
  });

  test('exec over base64.channel.k8s.io', async () => {
    const ws = await open(command(shell('echo out')), 'base64.channel.k8s.io');
    await ws.closed;
    // Its channels are digits.
    expect(Buffer.from(ws.textOf('1'.charCodeAt(0)), 'base64').toString()).toBe('out\n');
  });

  test('the exit code of a command is told as a Status', async () => {
    const ws = await open(command(shell('exit 3')), 'v5.channel.k8s.io');
    await ws.closed;
    expect(JSON.parse(ws.textOf(3))).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    });
  });

  test('v5 closes standard input, and the rest of the output still comes', async () => {
    const ws = await open(command(['cat'], '&stdin=true'), 'v5.channel.k8s.io');
    const text = 'x'.repeat(200_000);
    ws.sendOn(0, text);
    ws.ping();
    ws.send(Buffer.from([255, 0]));
    await ws.closed;
    expect(ws.textOf(1) === text).toBe(true);
    expect(ws.textOf(3)).toContain('Success');
  });

  test('a terminal takes its size', async () => {
    const ws = await open(command(shell('read x; stty size'), '&stdin=true&tty=true'), 'v5.channel.k8s.io');
    ws.sendOn(4, '{"Width":111,"Height":44}');
    // The size travels on a stream of its own.
    await sleep(200);
    ws.sendOn(0, '\n');
    await ws.closed;
    expect(ws.textOf(1)).toContain('44 111');
  });

  test('a port over the older protocol, whose messages name it', async () => {
    const { port = 0, path } = ways[way] ?? {};
    const query = way === 'kubelet' ? 'port=8080' : 'ports=8080';
    const ws = await webSocket(port, path?.('portForward', query) ?? '', 'v4.channel.k8s.io');
    ws.sendOn(0, 'GET / HTTP/1.0\r\n\r\n');
    await ws.until(() => ws.textOf(0).includes('200 OK'));
    ws.close();
  });

  test('a port over SPDY within a WebSocket', async () => {
    const { port = 0, path } = ways[way] ?? {};
    const ws = await webSocket(port, path?.('portForward', '') ?? '', 'SPDY/3.1+portforward.k8s.io');
    expect(await getOverSpdy(ws)).toContain('200 OK');
  });

  test('protocols that nobody knows are refused', async () => {
    const refused = await open(command(['true']), 'v9.nonsense').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedWebSocket);
    expect((refused as RefusedWebSocket).answer).toContain('v9.nonsense');
  });
});

/** What the pod's server answers, asked through a tunnel. */
async function getOverSpdy(ws: WebSocketClient): Promise<string> {
  let read = 0;
  const tunnel = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      ws.send(chunk);
      done();
    },
  });
  let text = '';
  const spdy = new SpdyClient(tunnel, Buffer.alloc(0), {
    data: (_id, payload) => void (text += payload.toString()),
    closed: () => undefined,
  });
  const headers = { port: '8080', requestid: '0' };
  spdy.open({ ...headers, streamtype: 'error' });
  const data = spdy.open({ ...headers, streamtype: 'data' });
  spdy.write(data, Buffer.from('GET / HTTP/1.0\r\n\r\n'));
  await ws.until(() => {
    for (; read < ws.messages.length; read++) tunnel.push(ws.messages[read]?.payload);
    return text.includes('\r\n\r\n');
  });
  ws.close();
  return text;
}

describe('logs', () => {
  /** Where the runtime writes them. */
  const folder = (): string => {
    const pods = host.path('log', 'pods');
    const name = readdirSync(pods).find(entry => entry.startsWith(`${k.namespace}_lines_`)) ?? '';
    return join(pods, name, 'main');
  };

  test('of one stream, and over a WebSocket', async () => {
    const path = `/containerLogs/${k.namespace}/lines/main`;
    expect(await ask(`${path}?stream=Stderr`)).toEqual({ code: 200, text: 'two\n' });
    expect((await ask(`${path}?stream=Stderr&tailLines=1`)).code).toBe(422);
    const ws = await webSocket(KUBELET, `${path}?tailLines=1`, 'base64.binary.k8s.io');
    await ws.closed;
    expect(Buffer.from(ws.messages.map(({ payload }) => payload.toString()).join(''), 'base64').toString()).toBe(
      'two\n',
    );
  });

  test('come from rotated files too, compressed or not, and over a rotation while they are followed', async () => {
    const line = (text: string, tag = 'F'): string => `2026-01-01T00:00:00.0Z stdout ${tag} ${text}\n`;
    writeFileSync(
      join(folder(), '0.log.20260101-000001.gz'),
      gzipSync(line('oldest') + line('in ', 'P') + line('parts')),
    );
    writeFileSync(join(folder(), '0.log.20260101-000002'), line('old'));
    expect(await k.run(['logs', 'lines'])).toBe('oldest\nin parts\nold\none\ntwo\n');
    expect(await k.run(['logs', 'lines', '--tail=4'])).toBe('in parts\nold\none\ntwo\n');
    expect(await k.run(['logs', 'lines', '--since=1h'])).toBe('one\ntwo\n');
    expect(await k.run(['logs', 'lines', '--limit-bytes=9'])).toBe('oldest\nin');

    const log = join(folder(), '0.log');
    const [file = '', ...args] = inNamespace(host.namespace, k.argv(['logs', '-f', '--tail=1', 'lines']));
    const follower = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    follower.stdout.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    const ended = once(follower, 'close');
    await waitFor('the last line', () => text === 'two\n', { everyMs: 20 });
    renameSync(log, `${log}.20260101-000003`);
    writeFileSync(log, line('new'));
    await waitFor('the line after the rotation', () => text === 'two\nnew\n', { everyMs: 20 });
    appendFileSync(log, line('last'));
    // Followers go with the container.
    await k.run(['delete', 'pod', 'lines', '--wait=false']);
    await ended;
    expect(text).toBe('two\nnew\nlast\n');
  });

  test('that nobody reads cost no memory', async () => {
    await k.apply(
      pod('flood', { command: shell('yes "0123456789012345678901234567890123456789" | head -n 200000; sleep 1000') }),
    );
    await k.waitReady('pod flood');
    const path = `/containerLogs/${k.namespace}/flood/main?follow=true`;
    const before = anonymousBytes(host.pid ?? 0);
    const readers = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const socket = tlsTo(host, KUBELET, admin);
        socket.on('error', () => undefined);
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
        await once(socket, 'readable');
        return socket;
      }),
    );
    await sleep(500);
    const grown = anonymousBytes(host.pid ?? 0) - before;
    for (const socket of readers) socket.destroy();
    // What they have asked for is 8 times 8 MB.
    expect(grown).toBeLessThan(32 * MB);
  });

  test('say why there are none', async () => {
    expect(await ask(`/containerLogs/${k.namespace}/none/main`)).toEqual({
      code: 404,
      text: 'pod "none" does not exist\n',
    });
    expect(await ask(`/containerLogs/${k.namespace}/a/none`)).toEqual({
      code: 404,
      text: 'container "none" not found in pod "a"\n',
    });
    const { stderr } = await k.try(['get', '--raw', `/api/v1/namespaces/${k.namespace}/pods/a/log?tailLines=-1`]);
    expect(stderr).toContain('tailLines: Invalid value: -1: must be greater than or equal to 0');
  });
});

describe('other paths', () => {
  test.each([
    ['/healthz', 200, /^ok$/],
    ['/healthz/syncloop', 200, /^ok$/],
    ['/healthz?verbose', 200, /\[\+\]ping ok/],
    ['/pods', 200, /"kind":"PodList"/],
    ['/runningpods/', 200, /"name":"a"/],
    ['/configz', 200, /"streamingConnectionIdleTimeout":"4h0m0s"/],
    ['/statusz', 200, /^\nkubelet statusz\n/],
    ['/flagz', 200, /\nnodeName=/],
    ['/logs/', 200, /<a href="/],
    ['/logs/%2e%2e/passwd', 404, /not found/],
    ['/debug/pprof/cmdline', 200, /k8ts/],
    ['/debug/flags/v', 405, /--log-level/],
    [
      '/metrics',
      200,
      /kubelet_http_requests_total\{method="GET",path="healthz",server_type="readwrite",long_running="false"\}/,
    ],
    ['/metrics', 200, /kubelet_certificate_manager_server_ttl_seconds \d/],
    ['/nothing', 404, /404 page not found/],
  ])('GET %s is answered with %d', async (path, code, text) => {
    const answer = await ask(path);
    expect(answer.text).toMatch(text);
    expect(answer.code).toBe(code);
  });

  test('POST /run answers with what a command wrote, also by the UID of its pod', async () => {
    const { uid } = (await k.pod('a')).metadata;
    const path = `/run/${k.namespace}/a/${uid}/main?cmd=echo%20hello`;
    expect(await ask(path, ['-XPOST'])).toEqual({ code: 200, text: 'hello\n' });
    expect((await ask(path)).code).toBe(405);
    expect((await ask(`/run/${k.namespace}/a/main?cmd=false`, ['-XPOST'])).text).toContain("'false' exited with 1");
    expect((await ask(`/run/${k.namespace}/a/no-such-uid/main?cmd=true`, ['-XPOST'])).code).toBe(404);
  });

  test('POST /checkpoint says what the runtime says', async () => {
    const none = await ask(`/checkpoint/${k.namespace}/a/none`, ['-XPOST']);
    expect(none).toEqual({ code: 404, text: 'container none does not exist\n' });
    const answer = await ask(`/checkpoint/${k.namespace}/a/main?timeout=5`, ['-XPOST']);
    // containerd 1.6 has no checkpoints, later ones need CRIU.
    if (answer.code === 200) expect(answer.text).toContain('/checkpoints/checkpoint-a_');
    else expect(`${answer.code} ${answer.text}`).toMatch(/^500 checkpointing of \S+\/a\/main failed \(/);
  });

  test('a profile can be read by pprof', async () => {
    const { stdout } = await host.tryRun([
      'sh',
      '-c',
      `curl -sk --cert ${host.path('data/server/pki/admin.crt')} --key ${host.path('data/server/pki/admin.key')} 'https://${host.address}:${KUBELET}/debug/pprof/profile?seconds=1' | gunzip | strings`,
    ]);
    expect(stdout).toContain('nanoseconds');
  });
});

describe('who may do what', () => {
  let token: string;
  beforeAll(async () => {
    await k.run(['create', 'serviceaccount', 'reader']);
    const review = await k.run(
      ['create', '--raw', `/api/v1/namespaces/${k.namespace}/serviceaccounts/reader/token`, '-f', '-'],
      { input: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }) },
    );
    token = (JSON.parse(review) as { status: { token: string } }).status.token;
  });

  test('nobody, whoever is not known, and whoever may not', async () => {
    expect(await ask('/pods', ['anonymous'])).toEqual({ code: 401, text: 'Unauthorized\n' });
    expect(await ask('/pods', ['authorization: Bearer nonsense'])).toEqual({ code: 401, text: 'Unauthorized\n' });
    const user = `system:serviceaccount:${k.namespace}:reader`;
    expect(await ask('/pods', [`authorization: Bearer ${token}`])).toEqual({
      code: 403,
      text: `Forbidden (user=${user}, verb=get, resource=nodes, subresource(s)=[pods proxy])\n`,
    });
  });

  test('a right of one path opens that path alone', async () => {
    const name = `${k.namespace}-metrics`;
    await k.run(['create', 'clusterrole', name, '--verb=get', '--resource=nodes/metrics,nodes/healthz']);
    await k.run([
      'create',
      'clusterrolebinding',
      name,
      `--clusterrole=${name}`,
      `--serviceaccount=${k.namespace}:reader`,
    ]);
    try {
      const as = [`authorization: Bearer ${token}`];
      await waitFor('the right to reach the kubelet', async () => (await ask('/metrics/probes', as)).code === 200);
      expect((await ask('/healthz', as)).code).toBe(200);
      expect((await ask('/stats/summary', as)).code).toBe(403);
      expect((await ask(`/run/${k.namespace}/a/main?cmd=true`, ['-XPOST', ...as])).code).toBe(403);
    } finally {
      await k.run(['delete', 'clusterrolebinding', name]);
      await k.run(['delete', 'clusterrole', name]);
    }
  });
});

describe('clients that mean harm', () => {
  test('malformed frames end their own connection, with a code that says so', async () => {
    const { path } = ways['kubelet'] ?? {};
    const query = command(['cat'], '&stdin=true');
    const ws = await webSocket(KUBELET, path?.('exec', query) ?? '', 'v5.channel.k8s.io');
    // Not a known opcode.
    ws.send('x', 7);
    await ws.closed;
    expect(ws.closeCode).toBe(1002);
    const tunnel = await webSocket(KUBELET, path?.('portForward', '') ?? '', 'SPDY/3.1+portforward.k8s.io');
    tunnel.send(Buffer.alloc(100_000, 0xff));
    await tunnel.closed;
    expect((await ask('/healthz')).code).toBe(200);
  });

  test('headers that are announced by the billion cost the runtime nothing', async () => {
    const before = anonymousBytes(host.containerdPid ?? 0);
    const { path } = ways['kubelet'] ?? {};
    const tunnel = await webSocket(KUBELET, path?.('portForward', '') ?? '', 'SPDY/3.1+portforward.k8s.io');
    // SYN_STREAM of stream 1; its headers, as one stored block of zlib, are a count and nothing more.
    const payload = '00000001000000000000' + '7801' + '000400fbff' + 'f0000000' + '000000ffff';
    tunnel.send(Buffer.from(`80030001${(payload.length / 2).toString(16).padStart(8, '0')}${payload}`, 'hex'));
    await tunnel.closed;
    expect(anonymousBytes(host.containerdPid ?? 0) - before).toBeLessThan(100 * MB);
  });

  test('heads without end, half a handshake and idle connections by the thousand cost little, and others are served', async () => {
    const before = anonymousBytes(host.pid ?? 0);
    const script = `
      const net = require('node:net'), tls = require('node:tls');
      const [host, port] = [${JSON.stringify(host.address)}, ${KUBELET}];
      const quiet = s => s.on('error', () => {});
      for (let i = 0; i < 2000; i++) quiet(net.connect(port, host));
      for (let i = 0; i < 100; i++) quiet(net.connect(port, host)).write(Buffer.from('16030100', 'hex'));
      for (let i = 0; i < 20; i++) {
        const s = quiet(tls.connect({ host, port, rejectUnauthorized: false }, () => {
          s.write('GET /pods HTTP/1.1\\r\\nx: ' + 'a'.repeat(4000000));
        }));
      }
      setTimeout(() => console.log('open'), 1500);
      setTimeout(() => process.exit(), 30000);`;
    const [file = '', ...args] = inNamespace(host.namespace, [process.execPath, '-e', script]);
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      expect((await ask('/healthz')).code).toBe(200);
      const ws = await webSocket(KUBELET, ways['kubelet']?.path('exec', command(['true'])) ?? '', 'v5.channel.k8s.io');
      await ws.closed;
      expect(ws.textOf(3)).toContain('Success');
      // 80 MB of heads were sent, and 2,120 connections made.
      expect(anonymousBytes(host.pid ?? 0) - before).toBeLessThan(100 * MB);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
