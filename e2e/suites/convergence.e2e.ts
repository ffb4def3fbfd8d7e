/**
 * A control plane on bad days: `k8ts server` is killed -9 and stands still in the middle of rollouts on made-up nodes (E2E_CONTROL_KILLS times,
 * default 4; E2E_STANDSTILL_MS, default 12,000). It converges after, makes nothing twice, leaves alone what is not its own, and then rests.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../machinery/process/testdata/free-port.ts';
import { ApiClient } from '../machine/api-client.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { ServerProcess } from '../machine/server-process.ts';
import { waitFor } from '../machine/wait-for.ts';

const KILLS = Number(process.env['E2E_CONTROL_KILLS'] ?? 4);
const STANDSTILL_MS = Number(process.env['E2E_STANDSTILL_MS'] ?? 12_000);
const SETTLE = { timeoutMs: 60_000, everyMs: 250 };
const TREE = fileURLToPath(new URL('../..', import.meta.url));
jest.setTimeout(120_000 + KILLS * 10_000 + STANDSTILL_MS);

interface Item {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly name: string }[];
    readonly deletionTimestamp?: string;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

let estate: Estate;
let server: ServerProcess;
let nodes: ChildProcess;
let api: ApiClient;
const ports = { scheduler: 0, controllers: 0 };

beforeAll(async () => {
  estate = openEstate(`convergence-${process.hrtime.bigint()}`);
  ports.scheduler = await freePort();
  ports.controllers = await freePort();
  server = new ServerProcess(estate, {
    'scheduler-bind-address': `127.0.0.1:${ports.scheduler}`,
    'controllers-bind-address': `127.0.0.1:${ports.controllers}`,
  });
  await server.launch();
  await server.ready();
  api = new ApiClient(await server.credentials());
  const flags = ['--kubeconfig', server.kubeconfig, '--nodes', '12', '--start-delay-ms', '50'];
  nodes = spawn(process.execPath, ['--import', 'tsx', 'e2e/pretend-nodes/main.ts', ...flags], {
    cwd: TREE,
    stdio: 'ignore',
  });
  await waitFor('twelve nodes', async () => (await list('/api/v1/nodes')).length === 12);
});
afterAll(async () => {
  nodes?.kill('SIGKILL');
  api?.close();
  if (estate !== undefined) await closeEstate(estate);
});

async function list(path: string): Promise<Item[]> {
  const { status, body } = await api.request('GET', path);
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  return (body as { items: Item[] }).items;
}

async function get(path: string): Promise<Item> {
  const { status, body } = await api.request('GET', path);
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  return body as Item;
}

async function create(path: string, object: object): Promise<Item> {
  const { status, body } = await api.request('POST', path, object);
  if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  return body as Item;
}

/** Written until an answer came: a server that is killed may not give one. */
async function patch(path: string, change: object): Promise<void> {
  await waitFor(`a change of ${path}`, async () => {
    const { status } = await api.request('PATCH', path, change, 'application/merge-patch+json');
    return status === 200;
  });
}

const PODS = '/api/v1/namespaces/default/pods';
const podsOf = (app: string): Promise<Item[]> => list(`${PODS}?labelSelector=app%3D${app}`);
const template = (app: string, annotations: object = {}, spec: object = {}): object => ({
  metadata: { labels: { app }, annotations },
  spec: { containers: [{ name: 'c', image: 'registry.invalid/none:1' }], terminationGracePeriodSeconds: 0, ...spec },
});
const workload = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});

async function makeWorkloads(): Promise<void> {
  const apps = '/apis/apps/v1/namespaces/default';
  await create(`${apps}/deployments`, workload('Deployment', 'web', { replicas: 12 }));
  await create(`${apps}/statefulsets`, workload('StatefulSet', 'db', { replicas: 4, serviceName: 'db' }));
  await create(`${apps}/daemonsets`, workload('DaemonSet', 'agent', {}));
  const run = { 'pretend-nodes/run-seconds': '0.2' };
  await create('/apis/batch/v1/namespaces/default/jobs', {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'sums' },
    spec: {
      completions: 40,
      parallelism: 4,
      completionMode: 'Indexed',
      template: template('sums', run, { restartPolicy: 'Never' }),
    },
  });
}

/** A new template of everything that can be rolled out. */
async function rollOut(revision: string): Promise<void> {
  const change = { spec: { template: { metadata: { annotations: { revision } } } } };
  for (const path of ['deployments/web', 'statefulsets/db', 'daemonsets/agent'])
    await patch(`/apis/apps/v1/namespaces/default/${path}`, change);
}

/** Everything is as its owner wants it, of that revision, and nothing is left over. */
async function expectConverged(revision: string, sizes: Readonly<Record<string, number>>): Promise<void> {
  for (const [app, size] of Object.entries(sizes)) {
    await waitFor(
      `${size} pods of ${app}, of revision ${revision}`,
      async () => {
        const pods = await podsOf(app);
        const good = pods.filter(
          ({ metadata, status }) =>
            metadata.annotations?.['revision'] === revision &&
            metadata.deletionTimestamp === undefined &&
            status?.['phase'] === 'Running',
        );
        return pods.length === size && good.length === size;
      },
      SETTLE,
    );
  }
  await waitFor('the statuses to follow', async () => {
    const web = await get('/apis/apps/v1/namespaces/default/deployments/web');
    const db = await get('/apis/apps/v1/namespaces/default/statefulsets/db');
    const sets = await list('/apis/apps/v1/namespaces/default/replicasets');
    return (
      web.status?.['availableReplicas'] === sizes['web'] &&
      web.status?.['observedGeneration'] === web.metadata.generation &&
      db.status?.['updatedReplicas'] === sizes['db'] &&
      db.status?.['currentRevision'] === db.status?.['updateRevision'] &&
      sets.filter(set => Number(set.spec?.['replicas']) > 0).length === 1
    );
  });
}

test('killed -9 again and again in the middle of rollouts and of a Job, it makes nothing twice and converges', async () => {
  const owner = await create('/api/v1/namespaces/default/configmaps', { metadata: { name: 'somebody' } });
  // Selected by the Deployment, and of somebody else.
  const reference = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'somebody',
    uid: owner.metadata.uid,
    controller: true,
  };
  const bystander = await create(PODS, {
    ...template('web'),
    metadata: { name: 'bystander', labels: { app: 'web', by: 'stander' }, ownerReferences: [reference] },
  });
  await makeWorkloads();
  for (let round = 0; round < KILLS; round++) {
    await rollOut(`r${round}`);
    await sleep(50 + Math.random() * 700);
    await server.kill9();
    await server.launch();
    await server.ready();
  }
  await rollOut('last');
  const { metadata } = await get(`${PODS}/bystander`);
  expect(metadata.uid).toBe(bystander.metadata.uid);
  expect(metadata.ownerReferences).toEqual([expect.objectContaining({ name: 'somebody' })]);
  expect((await api.request('DELETE', `${PODS}/bystander`)).status).toBe(200);
  await expectConverged('last', { web: 12, db: 4, agent: 12 });
  const job = await waitFor(
    'the Job to be complete',
    async () => {
      const seen = await get('/apis/batch/v1/namespaces/default/jobs/sums');
      return seen.status?.['completionTime'] === undefined ? undefined : seen;
    },
    SETTLE,
  );
  expect(job.status).toMatchObject({ succeeded: 40, completedIndexes: '0-39' });
  const indexes = (await podsOf('sums')).map(p =>
    Number(p.metadata.labels?.['batch.kubernetes.io/job-completion-index']),
  );
  expect(indexes.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test('standing still in the middle of a rollout, it goes on where it was and evicts nobody', async () => {
  await rollOut('still');
  await sleep(200);
  server.signal('SIGSTOP');
  await sleep(STANDSTILL_MS);
  server.signal('SIGCONT');
  await expectConverged('still', { web: 12, db: 4, agent: 12 });
  const events = await list('/api/v1/namespaces/default/events?fieldSelector=reason%3DTaintManagerEviction');
  expect(events.map(event => event.metadata.name)).toEqual([]);
  const ready = (await list('/api/v1/nodes')).filter(({ status }) =>
    (status?.['conditions'] as { type: string; status: string }[]).some(c => c.type === 'Ready' && c.status === 'True'),
  );
  expect(ready).toHaveLength(12);
});

test('at rest neither scheduler nor controllers call the API', async () => {
  /** Calls so far, by part, method and code. */
  const calls = async (): Promise<string[]> => {
    const lines: string[] = [];
    for (const [part, port] of Object.entries(ports)) {
      const { server: address, tls } = await server.credentials();
      const there = new ApiClient({ server: address.replace(/\d+$/, String(port)), tls });
      const { body } = await there.request('GET', '/metrics');
      there.close();
      for (const line of String(body).split('\n'))
        if (line.startsWith('rest_client_requests_total')) lines.push(`${part} ${line}`);
    }
    return lines.sort();
  };
  // What was written last is still told and counted; then nothing is left to do.
  await waitFor(
    'ten seconds without a call',
    async () => {
      const before = await calls();
      expect(before.length).toBeGreaterThan(2);
      await sleep(10_000);
      expect(await calls()).toEqual(before);
      return true;
    },
    SETTLE,
  );
});
