/** Three nodes on two network segments with a router between them that knows nothing of pods; both address families, both packet filters. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { hostPort } from '../../machinery/meta/host-port.ts';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, service, shell } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;
const addresses = new Map<string, string[]>();

const on = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });
const host = (name: string): Host => {
  const found = cluster.hosts.find(one => one.name === name);
  if (found === undefined) throw new Error(`no host ${name}`);
  return found;
};
const podIPs = async (name: string): Promise<string[]> =>
  (await k.run(['get', 'pod', name, '-o', 'jsonpath={.status.podIPs[*].ip}'])).split(' ');
const gets = async (from: string, to: string, port = 8080): Promise<string> =>
  (await k.tryExec(from, `timeout 3 wget -qO- http://${hostPort(to, port)}`)).stdout.trim();
const nodeGets = async (from: string, to: string, port: number): Promise<string> =>
  (await host(from).tryRun(['timeout', '3', 'busybox', 'wget', '-qO-', `http://${hostPort(to, port)}`])).stdout.trim();
const answers = (from: string, to: string): Promise<unknown> =>
  waitFor(`${to} to answer ${from}`, async () => {
    for (const address of addresses.get(to) ?? []) if ((await gets(from, address)) !== to) return false;
    return true;
  });

beforeAll(async () => {
  cluster = newCluster('pod-network', {
    workers: 2,
    segments: 2,
    families: ['IPv4', 'IPv6'],
    settings: {
      'cluster-cidr': ['10.244.0.0/16', 'fd00:244::/48'],
      'service-cidr': ['10.96.0.0/16', 'fd00:96::/112'],
      'proxy-mode': 'iptables',
    },
    nodeSettings: { 'proxy-mode': 'nftables' },
  });
  await cluster.start();
  k = cluster.kubectl;
  const ports = [{ containerPort: 8080, hostPort: 18080 }];
  await k.apply(
    pod('centre', { spec: on('cp') }),
    pod('near', { spec: on('w2') }),
    pod('far', { container: { ports }, spec: on('w1') }),
    service('front', { selector: { app: 'far' } }),
  );
  await k.waitReady('pod centre near far');
  for (const name of ['centre', 'near', 'far']) addresses.set(name, await podIPs(name));
});
afterAll(async () => cluster?.close());

test('nodes of one segment have routes to each other, those across the router a tunnel', async () => {
  const routes = await host('cp').run(['ip', 'route', 'show', 'proto', '84']);
  const lines = routes.split('\n').filter(line => line.startsWith('10.244.'));
  expect(lines.map(line => /dev (\S+)/.exec(line)?.[1]).sort()).toEqual(['eth0', 'k8ts-vxlan']);
  expect(lines.find(line => line.includes('eth0'))).toContain(`via ${host('w2').address}`);
});

test('pods reach each other, services and names, by both families, on the segment and across the router', async () => {
  for (const from of ['centre', 'near', 'far']) for (const to of ['centre', 'near', 'far']) await answers(from, to);
  for (const from of ['centre', 'near', 'far'])
    await waitFor(`the service to answer ${from}`, async () => (await gets(from, 'front', 80)) === 'far');
  // As many bytes as need many full packets, through the tunnel.
  const size = 500_000;
  const script = `mkdir /tmp/w && dd if=/dev/zero of=/tmp/w/big bs=1000 count=${size / 1000} && exec httpd -f -p 8081 -h /tmp/w`;
  await k.apply(pod('sender', { command: shell(script), spec: on('w1') }));
  await k.waitReady('pod sender');
  for (const address of await podIPs('sender'))
    await waitFor(`all bytes from ${address}`, async () => {
      const fetch = `timeout 5 wget -qO- http://${hostPort(address, 8081)}/big | wc -c`;
      return Number((await k.tryExec('centre', fetch)).stdout.trim()) === size;
    });
});

test('a host port answers on its node, from everywhere', async () => {
  const [four = ''] = host('w1').addresses;
  for (const from of ['centre', 'far']) expect(await gets(from, four, 18080)).toBe('far');
  for (const from of ['cp', 'w1']) expect(await nodeGets(from, four, 18080)).toBe('far');
});

test('a pod whose bandwidth is limited is', async () => {
  const limited = pod('limited', { command: IDLE, spec: on('cp') }) as { metadata: Record<string, unknown> };
  limited.metadata['annotations'] = { 'kubernetes.io/ingress-bandwidth': '8M', 'kubernetes.io/egress-bandwidth': '4M' };
  const wrong = pod('unlimited', { command: IDLE, spec: on('cp') }) as { metadata: Record<string, unknown> };
  wrong.metadata['annotations'] = { 'kubernetes.io/ingress-bandwidth': 'much' };
  await k.apply(limited, wrong);
  await k.waitReady('pod limited');
  const rates = [...(await host('cp').run(['tc', 'qdisc', 'show'])).matchAll(/qdisc tbf .*rate (\S+)/g)].map(m => m[1]);
  expect(rates.sort()).toEqual(['4Mbit', '8Mbit']);
  await waitFor('an event', async () => /unlimited.*bandwidth/.test(await k.run(['get', 'events'])));
});

test('what somebody takes away of the network is there again, and pods go on', async () => {
  const cp = host('cp');
  for (const argv of [
    ['ip', 'link', 'del', 'k8ts0'],
    ['ip', 'link', 'del', 'k8ts-vxlan'],
    ['ip', 'route', 'flush', 'proto', '84'],
    ['sysctl', '-qw', 'net.ipv4.ip_forward=0'],
  ]) {
    await cp.run(argv);
    await answers('centre', 'far');
    await answers('near', 'centre');
  }
  const id = (await k.pod('centre')).status.containerStatuses?.[0]?.containerID;
  await cp.kill9();
  await cp.run(['ip', 'link', 'del', 'k8ts0']);
  await cluster.up();
  await answers('far', 'centre');
  expect((await k.pod('centre')).status.containerStatuses?.[0]?.containerID).toBe(id);
});

test('a node that leaves takes its ways along, and has them again when it comes back', async () => {
  const isKnown = async (): Promise<boolean> => {
    const cp = host('cp');
    const all = [await cp.run(['ip', 'route']), await cp.run(['ip', 'neigh']), await cp.run(['bridge', 'fdb'])].join();
    return all.includes(host('w1').address) || all.includes('k8ts-vxlan');
  };
  expect(await isKnown()).toBe(true);
  const w1 = host('w1');
  await w1.kill9();
  await k.run(['delete', 'node', 'w1']);
  await waitFor('its ways to go', async () => !(await isKnown()));
  await cluster.join(w1);
  await waitFor('its ways to come', isKnown);
  await waitFor('w1 Ready', async () => /^w1\s+Ready/m.test(await k.run(['get', 'nodes', '--no-headers'])));
  await k.run(['delete', 'pod', 'far', '--ignore-not-found', '--force', '--grace-period=0']);
  await k.apply(pod('far', { spec: on('w1') }));
  await k.waitReady('pod far');
  addresses.set('far', await podIPs('far'));
  await answers('centre', 'far');
});

test('a node whose network cannot be set up says why, and is Ready as soon as it can', async () => {
  const w2 = host('w2');
  const ready = () => k.run(['get', 'node', 'w2', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")]}']);
  // Faster than it is looked at.
  await w2.run(['ip', '-batch', '-'], { input: 'link del k8ts0\nlink add name k8ts0 type veth peer name other0\n' });
  await waitFor('NotReady', async () => /NetworkSetupFailed: The link k8ts0 is no bridge/.test(await ready()), {
    timeoutMs: 30_000,
  });
  await w2.run(['ip', 'link', 'del', 'k8ts0']);
  await waitFor('Ready', async () => /"status":"True"/.test(await ready()), { timeoutMs: 30_000 });
  await answers('centre', 'near');
});

test('the configuration of CNI and the range of services are there again at once', async () => {
  const w2 = host('w2');
  const config = w2.path('data', 'agent', 'cni', 'net.d', '10-k8ts.conflist');
  await w2.run(['rm', config]);
  await waitFor('the configuration', async () => (await w2.tryRun(['test', '-e', config])).code === 0);
  await w2.run(['ip', 'link', 'del', 'k8ts-svc']);
  await waitFor('the range of services', async () => (await w2.run(['ip', 'link'])).includes('k8ts-svc'));
});

test('a reset leaves nothing of it', async () => {
  const w1 = host('w1');
  await w1.reset();
  expect(await w1.run(['ip', 'link'])).not.toMatch(/k8ts|veth/);
  for (const family of ['-4', '-6']) expect(await w1.run(['ip', family, 'route', 'show', 'proto', '84'])).toBe('');
  expect(await w1.run(['nft', 'list', 'ruleset'])).not.toMatch(/k8ts|K8TS|CNI-/);
});
