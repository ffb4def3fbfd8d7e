/** What the proxy tells, what it repairs, and that neither a kill nor another packet filter cuts a connection. One node. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { Running } from '../machine/running.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, pod, service, shell } from './objects.ts';

jest.setTimeout(120_000);

const EXTERNAL_IP = '203.0.113.9';
/** Sends a byte every 50 ms on one connection and wants it back; tells how many came, or why no more do. */
const TALK = `
const socket = require('node:net').connect(Number(process.argv[2]), process.argv[1]);
let answers = 0;
const end = why => { console.log(JSON.stringify({ answers, why })); process.exit(0); };
socket.on('data', data => { answers += data.length; });
socket.on('error', error => end(error.code)).on('close', () => end('closed'));
setInterval(() => socket.write('x'), 50);
process.on('SIGTERM', () => end('asked'));
`;

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = newCluster('proxy');
  await cluster.start();
  k = cluster.kubectl;
  const probe = { readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } };
  await k.apply(
    deployment('web', { replicas: 2, container: probe }),
    service('web', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }),
    pod('echo', { command: shell('exec busybox nc -ll -p 8080 -e /bin/busybox cat') }),
    service('echo'),
  );
  await k.waitReady('pod echo');
  await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s'], { timeoutMs: 70_000 });
});
afterAll(async () => cluster?.close());

const path = async (what: string, of: string): Promise<string> =>
  (await k.run(['get', ...what.split(' '), '-o', `jsonpath=${of}`])).trim();

/** @returns what came, also of an error; empty if nobody answers */
async function fetched(url: string): Promise<string> {
  const argv = [
    'node',
    '-e',
    `fetch(process.argv[1], { signal: AbortSignal.timeout(2000) }).then(async r => console.log(r.status, r.headers.get('x-load-balancing-endpoint-weight') ?? '', await r.text()), () => {})`,
    url,
  ];
  return (await cluster.control.run(argv)).trim();
}

const answers = async (url: string): Promise<boolean> => /^200 +web-/.test(await fetched(url));

test('metrics, mode and health stand where those of kube-proxy do', async () => {
  expect(await fetched('http://127.0.0.1:10249/proxyMode')).toBe('200  nftables');
  const metrics = await fetched('http://127.0.0.1:10249/metrics');
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/m);
  // Its times are of whole seconds and may lie ahead; what counts is that it was measured.
  expect(metrics).toMatch(/^kubeproxy_network_programming_duration_seconds_count\{ip_family="IPv4"\} [1-9]/m);
  expect(await fetched('http://127.0.0.1:10256/healthz')).toMatch(/^200 .*"nodeEligible":true/);
  const taint = ['taint', 'node', cluster.control.name];
  await k.run([...taint, 'ToBeDeletedByClusterAutoscaler=now:NoSchedule']);
  await waitFor('the node to be drained by load balancers', async () =>
    (await fetched('http://127.0.0.1:10256/healthz')).startsWith('503'),
  );
  expect(await fetched('http://127.0.0.1:10256/livez')).toMatch(/^200/);
  await k.run([...taint, 'ToBeDeletedByClusterAutoscaler-']);
});

test('a load balancer learns where endpoints are', async () => {
  const url = `http://${cluster.control.address}:${await path('service web', '{.spec.healthCheckNodePort}')}/`;
  await waitFor('two endpoints to be told of', async () => (await fetched(url)).startsWith('200 2'));
  expect(await fetched(url)).toMatch(/"namespace": "default",\s+"name": "web"/);
  await k.run(['scale', 'deployment', 'web', '--replicas=0']);
  await waitFor('none to be told of', async () => (await fetched(url)).startsWith('503 0'));
  await k.run(['scale', 'deployment', 'web', '--replicas=2']);
  await waitFor('both again', async () => (await fetched(url)).startsWith('200 2'));
});

test('of two services with one address the older has it; the other is told so and gets it afterwards', async () => {
  const claiming = (name: string, app: string) => ({
    ...service(name, { externalIPs: [EXTERNAL_IP], selector: { app } }),
  });
  await k.apply(claiming('older', 'web'));
  await waitFor('the older to answer', () => answers(`http://${EXTERNAL_IP}`));
  // Ages are of whole seconds.
  const second = async (name: string) => path(`service ${name}`, '{.metadata.creationTimestamp}');
  await waitFor(
    'the next second',
    async () => new Date().toISOString().slice(0, 19) > (await second('older')).slice(0, 19),
  );
  await k.apply(claiming('younger', 'nobody'));
  await waitFor('the event', async () =>
    /Warning +ServiceNotProgrammed .*kube-proxy.*203\.0\.113\.9 belongs to service default\/older/.test(
      await k.run(['describe', 'service', 'younger']),
    ),
  );
  expect(await answers(`http://${EXTERNAL_IP}`)).toBe(true);
  await k.run(['delete', 'service', 'older']);
  await waitFor(
    'the younger, which has no endpoints, to refuse',
    async () => !(await answers(`http://${EXTERNAL_IP}`)),
  );
  await k.run(['delete', 'service', 'younger']);
});

test('a flush by somebody else is repaired in seconds', async () => {
  const url = `http://${await path('service web', '{.spec.clusterIP}')}`;
  for (const flush of ['flush ruleset', 'delete table ip k8ts-proxy', 'flush chain ip k8ts-proxy nat-prerouting']) {
    await cluster.control.tryRun(['nft', ...flush.split(' ')]);
    await waitFor(`the service to answer after ${flush}`, () => answers(url), { timeoutMs: 15_000 });
  }
});

test('neither a kill nor another packet filter cuts a connection, and the other leaves nothing', async () => {
  const { control } = cluster;
  const ip = await path('service echo', '{.spec.clusterIP}');
  const talk = new Running(control.namespace, [process.execPath, '-e', TALK, '--', ip, '80']);
  try {
    for (const mode of ['nftables', 'iptables', 'nftables']) {
      await control.kill9();
      control.writeConfig({ 'proxy-mode': mode });
      await cluster.up();
      expect(await fetched('http://127.0.0.1:10249/proxyMode')).toBe(`200  ${mode}`);
      const url = `http://${await path('service web', '{.spec.clusterIP}')}`;
      await waitFor(`a new connection by ${mode}`, () => answers(url));
      const left = mode === 'iptables' ? 'nft list tables | grep k8ts-proxy' : 'iptables-save | grep KUBE-';
      await waitFor(
        `nothing to be left of what is not ${mode}`,
        async () => (await control.run(['sh', '-c', `${left} || true`])) === '',
      );
    }
    const { answers: count, why } = await talk.end<{ answers: number; why: string }>('SIGTERM');
    expect(why).toBe('asked');
    expect(count).toBeGreaterThan(20);
  } finally {
    talk.kill();
  }
});
