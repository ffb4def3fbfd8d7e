import { request } from 'node:https';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { issueKeyPair } from '../../machinery/pki/certificate.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { freePort } from '../../machinery/process/testdata/free-port.ts';
import { loopbackTls, startServer, type RunningServer } from './testdata/running-server.ts';

const { ca, life, options } = loopbackTls();
const admin = issueKeyPair(ca, {
  subject: { commonName: 'admin', organizations: ['system:masters'] },
  usages: ['client'],
  ...life,
});
const nobody = issueKeyPair(ca, { subject: { commonName: 'nobody' }, usages: ['client'], ...life });
const stop = new AbortController();
let running: RunningServer;
let ended: Promise<void>;
let port = 0;
let isReady = false;

beforeAll(async () => {
  running = await startServer(options);
  port = await freePort();
  const registry = new MetricsRegistry();
  registry.counter('scheduler_things_total', 'Things.').inc();
  const endpoint = {
    name: 'scheduler',
    bindAddress: '127.0.0.1',
    port,
    metrics: () => registry.render(),
    isReady: () => isReady,
  };
  ended = running.server.componentServer(endpoint).run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await ended;
  await running.stop();
});

async function get(path: string, who?: { certPem: string; keyPem: string }): Promise<{ status: number; body: string }> {
  const tls = who === undefined ? {} : { cert: who.certPem, key: who.keyPem };
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, ca: ca.certPem, agent: false, ...tls }, answer => {
      let body = '';
      answer.on('data', chunk => (body += String(chunk)));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    call.on('error', reject);
    call.end();
  });
}

test('ComponentServer tells its metrics to those alone who may see them', async () => {
  expect(await get('/metrics', admin)).toEqual({
    status: 200,
    body: '# HELP scheduler_things_total Things.\n# TYPE scheduler_things_total counter\nscheduler_things_total 1\n',
  });
  expect((await get('/metrics')).status).toBe(403);
  expect((await get('/metrics', nobody)).status).toBe(403);
});

test('ComponentServer says to everybody whether the part lives and works', async () => {
  expect(await get('/livez')).toEqual({ status: 200, body: 'ok' });
  expect((await get('/readyz')).status).toBe(500);
  isReady = true;
  expect(await get('/readyz')).toEqual({ status: 200, body: 'ok' });
});

test('ComponentServer has no API', async () => {
  expect((await get('/api/v1/namespaces', admin)).status).toBe(404);
});

test('ComponentStatus tells of the parts that run beside the server', async () => {
  let why: string | undefined = 'not started yet';
  running.server.tellOf('scheduler', () => {
    if (why !== undefined) throw new Error(why);
  });
  const conditions = async (): Promise<unknown> => {
    const { items } = (await running.admin.call({ method: 'GET', path: '/api/v1/componentstatuses' })) as {
      items: { metadata: { name: string }; conditions: { status: string; message: string }[] }[];
    };
    return items.map(({ metadata, conditions: [condition] }) => [metadata.name, condition?.status, condition?.message]);
  };
  expect(await conditions()).toEqual([
    ['scheduler', 'False', 'not started yet'],
    ['etcd-0', 'True', 'ok'],
  ]);
  why = undefined;
  expect(await conditions()).toContainEqual(['scheduler', 'True', 'ok']);
});
