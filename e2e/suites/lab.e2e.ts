/** One control node and two workers that joined by the real commands: pods on all, traffic between them, and the loss of one. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { killHard, pidsNaming } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, pod, service } from './objects.ts';

jest.setTimeout(180_000);

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = newCluster('lab', { workers: 2 });
  await cluster.start();
  k = cluster.kubectl;
});
afterAll(async () => cluster?.close());

/** An eviction a second after the node is known to be gone. */
const HASTY = ['not-ready', 'unreachable'].map(what => ({
  key: `node.kubernetes.io/${what}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 1,
}));
const on = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });

test('all three are Ready, each with a pod range of its own', async () => {
  await waitFor(
    'three Ready nodes',
    async () => (await k.run(['get', 'nodes', '--no-headers'])).match(/^\S+\s+Ready\s/gm)?.length === 3,
  );
  const ranges = (await k.run(['get', 'nodes', '-o', 'jsonpath={.items[*].spec.podCIDR}'])).split(' ');
  expect(new Set(ranges).size).toBe(3);
});

test('replicas spread over the nodes and answer behind one service', async () => {
  await k.apply(deployment('web', { replicas: 6, spec: { tolerations: HASTY } }), service('web', { type: 'NodePort' }));
  await k.run(['rollout', 'status', 'deployment/web', '--timeout=90s'], { timeoutMs: 100_000 });
  const nodes = new Set((await k.pods('app=web')).map(p => p.spec.nodeName));
  expect(nodes).toEqual(new Set(['cp', 'w1', 'w2']));
});

test('pods talk to pods of other nodes, to services and to the API server', async () => {
  await k.apply(pod('near', { spec: on('w1') }), pod('far', { spec: on('w2') }), pod('centre', { spec: on('cp') }));
  await k.waitReady('pod near far centre');
  const ip = async (name: string) => (await k.pod(name)).status.podIP ?? '';
  for (const [from, to] of [
    ['near', 'far'],
    ['far', 'near'],
    ['near', 'centre'],
    ['centre', 'far'],
  ] as const)
    expect((await k.exec(from, `timeout 5 wget -qO- http://${await ip(to)}:8080`)).trim()).toBe(to);
  for (const from of ['near', 'far', 'centre']) {
    expect(await k.exec(from, 'timeout 5 wget -qO- http://web')).toMatch(/^web-/);
    expect(await k.tryExec(from, 'nc -w 3 10.96.0.1 443 </dev/null')).toMatchObject({ code: 0 });
  }
  // Without masquerade: who asks is seen by its own address.
  await k.apply(pod('listener', { command: ['/bin/sh', '-c', 'httpd -f -v -p 8080 2>&1'], spec: on('w2') }));
  await k.waitReady('pod listener');
  await k.tryExec('near', `timeout 5 wget -qO- http://${await ip('listener')}:8080`);
  await waitFor('the request in the log', async () => (await k.run(['logs', 'listener'])).includes(await ip('near')));
});

test('logs, exec and port 10250 work through the workers', async () => {
  expect(await k.exec('far', 'hostname')).toBe('far\n');
  expect((await k.try(['logs', 'far'])).code).toBe(0);
});

test('a NodePort answers on every node', async () => {
  const port = (await k.run(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])).trim();
  for (const host of cluster.hosts)
    expect(
      await cluster.control.run(['timeout', '5', 'busybox', 'wget', '-qO-', `http://${host.address}:${port}`]),
    ).toMatch(/^web-/);
});

test('a worker that lost the API server keeps its pods', async () => {
  const before = (await k.pod('near')).status.containerStatuses?.[0]?.containerID;
  await cluster.control.kill9();
  const [worker] = cluster.workers;
  expect(worker?.pid).toBeDefined();
  await cluster.up();
  expect((await k.pod('near')).status.containerStatuses?.[0]).toMatchObject({ containerID: before, restartCount: 0 });
  expect(await k.exec('near', 'timeout 5 wget -qO- http://web')).toMatch(/^web-/);
});

test('a worker dies with all its containers: its pods are replaced elsewhere, and it may come back', async () => {
  const [, worker] = cluster.workers;
  if (worker === undefined) throw new Error('no second worker');
  await waitFor('its processes to end', () => {
    const pids = [...pidsNaming(`${worker.directory}/`), ...pidsNaming(`/${worker.cgroupRoot}/`)];
    for (const pid of pids) killHard(pid);
    return pids.length === 0;
  });
  await waitFor('NotReady', async () => /^w2\s+NotReady/m.test(await k.run(['get', 'nodes', '--no-headers'])), {
    timeoutMs: 90_000,
    everyMs: 500,
  });
  await waitFor(
    'six pods elsewhere',
    async () => {
      const pods = (await k.pods('app=web')).filter(
        p => p.metadata.deletionTimestamp === undefined && p.spec.nodeName !== 'w2',
      );
      return pods.filter(p => p.status.containerStatuses?.[0]?.ready).length === 6;
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  expect(await k.exec('near', 'timeout 5 wget -qO- http://web')).toMatch(/^web-/);
  await cluster.join(worker);
  await waitFor('Ready again', async () => /^w2\s+Ready/m.test(await k.run(['get', 'nodes', '--no-headers'])));
  await waitFor('only six pods', async () => (await k.pods('app=web')).length === 6, {
    timeoutMs: 60_000,
    everyMs: 500,
  });
  await k.apply(pod('again', { command: IDLE, spec: on('w2') }));
  await k.waitReady('pod again');
});

test('tokens are listed, deleted, and then good for nothing', async () => {
  const { token } = JSON.parse(await cluster.control.k8ts(['token', 'create', '-o', 'json'])) as { token: string };
  const id = token.split('.')[0] ?? '';
  expect(await cluster.control.k8ts(['token', 'list'])).toContain(id);
  await cluster.control.k8ts(['token', 'delete', id]);
  expect(await cluster.control.k8ts(['token', 'list'])).not.toContain(id);
});
