/** Made-up nodes on the real control plane: what benchmarks of large clusters stand on. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ApiClient } from '../machine/api-client.ts';
import { run } from '../machine/command.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { ServerProcess } from '../machine/server-process.ts';
import { waitFor } from '../machine/wait-for.ts';

jest.setTimeout(120_000);

const TREE = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = ['--import', 'tsx', join(TREE, 'e2e/pretend-nodes/main.ts')];
const JOB_PODS = 3;

let estate: Estate;
let server: ServerProcess;
let api: ApiClient;
let kubeconfig = '';
let child: ChildProcess;
let summary: Record<string, number> = {};

async function items(path: string): Promise<{ metadata: { name: string }; status: Record<string, unknown> }[]> {
  return ((await api.request('GET', path)).body as { items: [] }).items;
}

beforeAll(async () => {
  estate = openEstate('pretend');
  server = new ServerProcess(estate);
  await server.launch();
  await server.ready();
  api = new ApiClient(await server.credentials());
  kubeconfig = join(estate.directory, 'server', 'config', 'kubeconfig.yaml');
  const options = ['--nodes', '20', '--lease-seconds', '1', '--start-delay-ms', '20', '--output', 'json'];
  child = spawn(process.execPath, [...MAIN, '--kubeconfig', kubeconfig, ...options], {
    cwd: TREE,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout as NodeJS.ReadableStream);
  await new Promise<void>(resolve =>
    lines.on('line', line => {
      const { event, ...data } = JSON.parse(line) as { event: string } & Record<string, number>;
      if (event === 'ready') resolve();
      else summary = data;
    }),
  );
});

afterAll(async () => {
  child?.kill('SIGKILL');
  api?.close();
  await server?.kill9().catch(() => undefined);
  if (estate !== undefined) await closeEstate(estate);
});

test('a Job ends, a Deployment runs and goes, over a kill -9 of the server', async () => {
  const template = (labels: object, more: object) => ({
    metadata: { labels, annotations: { 'pretend-nodes/run-seconds': '0' } },
    spec: { containers: [{ name: 'main', image: 'pause' }], ...more },
  });
  const spec = { completions: JOB_PODS, parallelism: JOB_PODS, template: template({}, { restartPolicy: 'Never' }) };
  await api.request('POST', '/apis/batch/v1/namespaces/default/jobs', { metadata: { name: 'job' }, spec });
  const succeeded = async (): Promise<boolean> =>
    (await items('/apis/batch/v1/namespaces/default/jobs')).some(job => job.status['succeeded'] === JOB_PODS);
  await waitFor('the Job', succeeded);

  const labels = { app: 'web' };
  await api.request('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'web' },
    spec: {
      replicas: 30,
      selector: { matchLabels: labels },
      template: { ...template(labels, {}), metadata: { labels } },
    },
  });
  await server.kill9();
  await server.launch();
  await server.ready();
  const path = '/apis/apps/v1/namespaces/default/deployments';
  await waitFor('the Deployment', async () => (await items(path))[0]?.status['availableReplicas'] === 30);
  await api.request('DELETE', `${path}/web`);
  const pods = '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb';
  await waitFor('its pods to go', async () => (await items(pods)).length === 0);
});

test('it tells what it did, and takes its nodes away when asked', async () => {
  const nodes = await items('/api/v1/nodes');
  expect(nodes).toHaveLength(20);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
  expect(summary).toMatchObject({ nodes: 20, ended: JOB_PODS, pods: JOB_PODS, writesLeft: 0 });
  expect(summary['renewals']).toBeGreaterThan(20);
  await run([process.execPath, ...MAIN, '--kubeconfig', kubeconfig, '--cleanup'], { cwd: TREE });
  expect(await items('/api/v1/nodes')).toHaveLength(0);
  expect(await items('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases')).toHaveLength(0);
});
