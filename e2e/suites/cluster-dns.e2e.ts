/**
 * Cluster DNS as pods, hosts and whoever brings another DNS see it: names by search path, addresses to names, CoreDNS (something that stands for
 * it) taking over and going away, servers of one's own by ConfigMap, and answers while the API server is away.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { Running } from '../machine/running.ts';
import type { Host } from '../machine/host.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(180_000);

const DNS = '10.96.0.10';
const STAND_IN = '192.0.2.53';
const STAND_IN_PORT = 5399;
const ROUNDS = 3;

let cluster: Cluster;

beforeAll(async () => {
  cluster = newCluster('dns', { workers: 1 });
  await cluster.start();
  const headless = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { clusterIP: 'None', selector: { app: 'db-0' }, ports: [{ name: 'http', port: 8080 }] },
  };
  const named = { spec: { hostname: 'db-0', subdomain: 'db' } };
  await cluster.kubectl.apply(headless, pod('db-0', named), pod('client', { command: IDLE }));
  await cluster.kubectl.waitReady('pod/db-0');
  await cluster.kubectl.waitReady('pod/client');
});

afterAll(() => cluster.close());

/** What a host is told. */
async function ask(host: Host, name: string, type = 'a'): Promise<string> {
  const { stdout } = await host.tryRun(['busybox', 'nslookup', `-type=${type}`, name, DNS]);
  return stdout;
}

function tsx(host: Host, script: string, ...args: string[]): Running {
  return new Running(host.namespace, [process.execPath, '--import', 'tsx', `e2e/dns/${script}/main.ts`, ...args]);
}

test('names as pods write them', async () => {
  const inPod = (line: string): Promise<string> => cluster.kubectl.exec('client', line);
  expect(await inPod('ping -c 1 -w 5 db-0.db | head -1')).toMatch(
    /db-0\.db\.default\.svc\.cluster\.local|db-0\.db \(10\.244/,
  );
  expect(await inPod('nslookup kubernetes.default.svc.cluster.local')).toContain('10.96.0.1');
  const { status } = await cluster.kubectl.pod('db-0');
  expect(await inPod(`nslookup ${status?.podIP}`)).toContain('db-0.db.default.svc.cluster.local');
  expect(await inPod('nslookup -type=srv _http._tcp.db.default.svc.cluster.local')).toContain(
    'db-0.db.default.svc.cluster.local',
  );
});

test('metrics and readiness at its own address', async () => {
  const get = (path: string): Promise<string> =>
    cluster.control.run(['busybox', 'wget', '-qO-', `http://${DNS}:9153${path}`]);
  expect(await get('/ready')).toBe('OK');
  expect(await get('/metrics')).toMatch(/^coredns_dns_requests_total\{.*zone="cluster\.local".*\} [1-9]/m);
});

test('who brings CoreDNS has the address as soon as it answers, and nobody is left without an answer', async () => {
  const { control, kubectl } = cluster;
  const system = kubectl.in('kube-system');
  const standIn = tsx(control, 'stand-in', control.address, String(STAND_IN_PORT), STAND_IN);
  const asker = tsx(control, 'asker', DNS, 'kubernetes.default.svc.cluster.local', '5');
  try {
    await Promise.all([standIn.says('listening'), asker.says('asking')]);
    const slice = (ready: boolean) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'kube-dns-x', namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [control.address], conditions: { ready } }],
      ports: [{ name: 'dns', protocol: 'UDP', port: STAND_IN_PORT }],
    });
    for (let round = 0; round < ROUNDS; round++) {
      await system.apply(slice(true));
      for (const host of cluster.hosts)
        await waitFor(`the other DNS on ${host.name}`, async () =>
          (await ask(host, 'kubernetes.default.svc.cluster.local')).includes(STAND_IN),
        );
      expect(await kubectl.exec('client', 'nslookup -type=a kubernetes.default.svc.cluster.local')).toContain(STAND_IN);
      await (round % 2 === 0 ? system.apply(slice(false)) : system.run(['delete', 'endpointslice', 'kube-dns-x']));
      for (const host of cluster.hosts)
        await waitFor(`our DNS on ${host.name}`, async () =>
          (await ask(host, 'kubernetes.default.svc.cluster.local')).includes('10.96.0.1'),
        );
    }
    const { seen, lost } = await asker.end<{ seen: Record<string, number>; lost: number }>('SIGINT');
    expect(Object.keys(seen).sort()).toEqual(['10.96.0.1', STAND_IN]);
    // One that is on its way to an endpoint when that goes, each time.
    expect(lost).toBeLessThanOrEqual(ROUNDS);
  } finally {
    asker.kill();
    standIn.kill();
  }
});

test('servers of one’s own for names of one’s own', async () => {
  const { control, kubectl } = cluster;
  const system = kubectl.in('kube-system');
  const standIn = tsx(control, 'stand-in', control.address, String(STAND_IN_PORT), STAND_IN);
  try {
    await standIn.says('listening');
    const stubDomains = JSON.stringify({ 'acme.test': [`${control.address}:${STAND_IN_PORT}`] });
    const metadata = { name: 'kube-dns', namespace: 'kube-system' };
    await system.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { stubDomains } });
    for (const host of cluster.hosts)
      await waitFor(`the stub domain on ${host.name}`, async () =>
        (await ask(host, 'db.acme.test')).includes(STAND_IN),
      );
  } finally {
    standIn.kill();
  }
});

test('names are answered while the API server is away', async () => {
  const [worker] = cluster.workers;
  if (worker === undefined) throw new Error('no worker');
  const before = await ask(worker, 'db-0.db.default.svc.cluster.local');
  expect(before).toMatch(/Address: 10\.244\./);
  await cluster.control.kill9();
  expect(await ask(worker, 'db-0.db.default.svc.cluster.local')).toBe(before);
  expect(await ask(worker, 'nope.default.svc.cluster.local')).toContain('NXDOMAIN');

  const { pid } = worker;
  if (pid === undefined) throw new Error('the worker does not run');
  process.kill(pid, 'SIGTERM');
  await waitFor('the end of the worker', () => worker.pid === undefined);
  // It waits for the API server, which does not come.
  const joining = cluster.join(worker).catch(() => undefined);
  await waitFor('the answer of a worker that knows from before', async () =>
    (await ask(worker, 'db-0.db.default.svc.cluster.local')).includes('Address: 10.244.'),
  );
  expect(await ask(worker, 'nope.default.svc.cluster.local')).toContain('SERVFAIL');
  await worker.kill9();
  await joining;
});
