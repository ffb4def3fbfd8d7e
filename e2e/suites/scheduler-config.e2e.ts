/** A scheduler as its configuration file says: two profiles, an extender, and the example of a plugin of one's own, made JavaScript as users do it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { buildSync } from 'esbuild';
import { ApiClient } from '../machine/api-client.ts';
import { tryRun } from '../machine/command.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { BUNDLE } from '../machine/host.ts';
import { ServerProcess } from '../machine/server-process.ts';
import { waitFor } from '../machine/wait-for.ts';

jest.setTimeout(120_000);

const EXAMPLES = fileURLToPath(new URL('../../deploy/examples', import.meta.url));
const SLOT = 'example.com/slot';
const RACKS = { a: 'r1', b: 'r2', c: 'r7' };
const PODS = '/api/v1/namespaces/default/pods';

interface PodView {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly message?: string }[] };
}

let estate: Estate;
let server: ServerProcess;
let extender: Server;
let api: ApiClient;
/** What the extender was asked, by verb. */
const asked = { filter: 0, prioritize: 0 };

/** Leaves out node a, and likes c most, wherever the other plugins would go. */
async function startExtender(): Promise<string> {
  extender = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { NodeNames } = JSON.parse(Buffer.concat(chunks).toString()) as { NodeNames: string[] };
      const verb = (request.url ?? '').endsWith('/filter') ? 'filter' : 'prioritize';
      asked[verb]++;
      const scores = NodeNames.map(Host => ({ Host, Score: Host === 'c' ? 10 : 0 }));
      const left = { NodeNames: NodeNames.filter(name => name !== 'a'), FailedNodes: { a: 'node(s) had no slot' } };
      response.end(JSON.stringify(verb === 'filter' ? left : scores));
    });
  });
  await new Promise<void>(resolve => extender.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(extender.address() as AddressInfo).port}/slots`;
}

function extenderConfig(urlPrefix: string): string {
  return `extenders:
  - urlPrefix: ${urlPrefix}
    filterVerb: filter
    prioritizeVerb: prioritize
    weight: 100
    nodeCacheCapable: true
    httpTimeout: 5s
    managedResources: [{ name: ${SLOT}, ignoredByScheduler: true }]
`;
}

async function makeNode(name: string, rack: string): Promise<void> {
  const amounts = { cpu: '4', memory: '8Gi', pods: '110' };
  const metadata = { name, labels: { 'kubernetes.io/hostname': name, 'example.com/rack': rack } };
  const status = { allocatable: amounts, capacity: amounts, conditions: [{ type: 'Ready', status: 'True' }] };
  await api.request('POST', '/api/v1/nodes', { metadata, spec: {}, status });
  // As the controllers will, once they have seen that it is ready.
  await api.request('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } }, 'application/merge-patch+json');
}

async function makePod(name: string, spec: object = {}, labels: object = {}): Promise<void> {
  const container = { name: 'c', image: 'i', resources: { requests: { cpu: '100m', memory: '10Mi' } } };
  const answer = await api.request('POST', PODS, {
    metadata: { name, labels },
    spec: { containers: [container], ...spec },
  });
  expect(answer.status).toBe(201);
}

async function podView(name: string): Promise<PodView> {
  return (await api.request('GET', `${PODS}/${name}`)).body as PodView;
}

function nodeOf(name: string): Promise<string> {
  return waitFor(`${name} to have a node`, async () => (await podView(name)).spec.nodeName);
}

beforeAll(async () => {
  estate = openEstate('schedcfg');
  const plugin = join(estate.directory, 'rack-plugin.mjs');
  const entryPoints = [join(EXAMPLES, 'rack-plugin.ts')];
  buildSync({ entryPoints, outfile: plugin, bundle: true, platform: 'node', format: 'esm' });
  const config = join(estate.directory, 'scheduler.yaml');
  const example = readFileSync(join(EXAMPLES, 'scheduler.yaml'), 'utf8');
  writeFileSync(config, example + extenderConfig(await startExtender()));
  server = new ServerProcess(estate, { 'scheduler-config': config, 'scheduler-plugins': [plugin] });
  await server.launch();
  await server.ready();
  api = new ApiClient(await server.credentials());
  for (const [name, rack] of Object.entries(RACKS)) await makeNode(name, rack);
  await waitFor('the service account', async () => {
    const { status } = await api.request('GET', '/api/v1/namespaces/default/serviceaccounts/default');
    return status === 200;
  });
});

afterAll(async () => {
  api?.close();
  await server?.kill9().catch(() => undefined);
  extender?.closeAllConnections();
  extender?.close();
  if (estate !== undefined) await closeEstate(estate);
});

test('the plugin keeps a team on one rack, and everybody off the rack in service', async () => {
  const where: string[] = [];
  for (const name of ['t0', 't1', 't2']) {
    await makePod(name, {}, { team: 'red' });
    where.push(await nodeOf(name));
  }
  expect(new Set(where).size).toBe(1);
  await makePod('bound', { nodeSelector: { 'kubernetes.io/hostname': 'c' } });
  const told = await waitFor(
    'a word of why it waits',
    async () => (await podView('bound')).status.conditions?.[0]?.message,
  );
  expect(told).toContain(
    "0/3 nodes are available: 1 node(s) were on a rack in service, 2 node(s) didn't match Pod's node affinity/selector.",
  );
});

test('the other profile packs, without the plugin', async () => {
  const where: string[] = [];
  for (const name of ['p0', 'p1', 'p2', 'p3']) {
    await makePod(name, { schedulerName: 'packing' });
    where.push(await nodeOf(name));
  }
  expect(new Set(where).size).toBe(1);
  // Nobody of this process schedules for others.
  await makePod('strange', { schedulerName: 'elsewhere' });
  await makePod('known');
  await nodeOf('known');
  expect((await podView('strange')).spec.nodeName).toBeUndefined();
});

test('the extender decides for pods with its resource, and stays unasked for others', async () => {
  expect(asked).toEqual({ filter: 0, prioritize: 0 });
  const resources = { requests: { [SLOT]: '1' }, limits: { [SLOT]: '1' } };
  const containers = [{ name: 'c', image: 'i', resources }];
  await makePod('slotted', { schedulerName: 'packing', containers });
  expect(await nodeOf('slotted')).toBe('c');
  expect(asked).toEqual({ filter: 1, prioritize: 1 });
});

test('a mistake in a file ends the start with the file, the field and what to do', async () => {
  const config = join(estate.directory, 'wrong.yaml');
  const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
  writeFileSync(
    config,
    `${head}profiles: [{ plugins: { score: { enabled: [{ name: ImageLocalty }] } } }]\nparalelism: 1\n`,
  );
  const folders = ['data', 'config', 'run', 'log'].map(
    name => `--${name}-dir=${join(estate.directory, 'wrong', name)}`,
  );
  const server = (...flags: string[]) => tryRun([process.execPath, BUNDLE, 'server', ...folders, ...flags]);
  const unknown = await server('--scheduler-config', config);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain(`${config} cannot be used:\n  paralelism: unknown field; did you mean parallelism?`);
  writeFileSync(config, `${head}profiles: [{ plugins: { score: { enabled: [{ name: ImageLocalty }] } } }]\n`);
  expect((await server('--scheduler-config', config)).stderr).toContain(
    'profiles[0].plugins.score.enabled[0].name: Not found: "ImageLocalty": no plugin has this name; did you mean ImageLocality?',
  );
  const plugins = await server('--scheduler-config', config, '--scheduler-plugins', join(EXAMPLES, 'none.mjs'));
  expect(plugins.stderr).toContain('none.mjs cannot be used: ');
  // Nothing was begun.
  expect(existsSync(join(estate.directory, 'wrong', 'data', 'server'))).toBe(false);
});
