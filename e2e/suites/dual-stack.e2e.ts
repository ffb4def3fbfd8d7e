/** A cluster of both address families, and one of IPv6 alone on hosts that have no other: two nodes each, and each packet filter once. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { hostPort, urlHost } from '../../machinery/meta/host-port.ts';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, pod, service } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;

const on = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });
const path = (...args: string[]) => k.run(['get', ...args.slice(0, -1), '-o', `jsonpath=${args.at(-1)}`]);
const fetched = (from: string, host: string, port: number) =>
  k.exec(from, `timeout 5 wget -qO- http://${hostPort(host, port)}`);
const isV6 = (address: string): boolean => address.includes(':');
const resolved = async (from: string, name: string, server = ''): Promise<string[]> => {
  const text = await k.exec(from, `nslookup ${name} ${server}`);
  // What the server itself is called comes first.
  const answers = text.slice(text.indexOf('\n\n'));
  return [...answers.matchAll(/^Address(?: \d+)?: (\S+)$/gm)].map(match => match[1] ?? '').sort();
};

async function start(purpose: string, options: NonNullable<Parameters<typeof newCluster>[1]>): Promise<void> {
  cluster = newCluster(purpose, { ...options, workers: 1 });
  await cluster.start();
  k = cluster.kubectl;
  const probe = (port: number) => ({
    startupProbe: { tcpSocket: { port }, periodSeconds: 1 },
    readinessProbe: { httpGet: { path: '/', port }, periodSeconds: 1 },
  });
  const downward = ['status.podIPs', 'status.hostIPs', 'status.podIP'].map(fieldPath => ({
    name: fieldPath.replace('status.', '').toUpperCase(),
    valueFrom: { fieldRef: { fieldPath } },
  }));
  await k.apply(
    pod('here', { container: { ...probe(8080), env: downward }, spec: on('cp') }),
    pod('there', { container: probe(8080), spec: on('w1') }),
    deployment('web', { replicas: 2, container: probe(8080) }),
    service('web', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack' }),
    { ...service('all', { clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack', selector: { app: 'web' } }) },
    service('one', { selector: { app: 'web' } }),
  );
  await k.waitReady('pod here there');
  await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s'], { timeoutMs: 70_000 });
}

describe('both families', () => {
  beforeAll(() =>
    start('dual', {
      families: ['IPv4', 'IPv6'],
      settings: {
        'cluster-cidr': ['10.245.0.0/16', 'fd00:245::/48'],
        'service-cidr': ['10.97.0.0/16', 'fd00:97::/112'],
      },
      nodeSettings: { 'proxy-mode': 'nftables' },
    }),
  );
  afterAll(async () => cluster?.close());

  test('nodes have addresses and ranges of both, the cluster says both of its ranges', async () => {
    for (const host of cluster.hosts) {
      const addresses = await path('node', host.name, '{.status.addresses[?(@.type=="InternalIP")].address}');
      expect(addresses.split(' ')).toEqual(host.addresses);
      expect(await path('node', host.name, '{.spec.podCIDRs}')).toMatch(
        /^\["10\.245\.\d+\.0\/24","fd00:245:.*\/64"\]$/,
      );
    }
    expect(await path('servicecidr', 'kubernetes', '{.spec.cidrs}')).toBe('["10.97.0.0/16","fd00:97::/112"]');
    expect(await path('service', 'kubernetes', '{.spec.clusterIPs}')).toBe('["10.97.0.1"]');
    expect(await path('service', 'kube-dns', '-n', 'kube-system', '{.spec.clusterIPs}')).toBe(
      '["10.97.0.10","fd00:97::a"]',
    );
  });

  test('a pod knows its addresses and those of its node', async () => {
    const { podIPs = [], podIP } = (await k.pod('here')).status as { podIPs?: { ip: string }[]; podIP?: string };
    const own = podIPs.map(({ ip }) => ip);
    expect([own.map(isV6), own[0]]).toEqual([[false, true], podIP]);
    const told = await k.exec('here', 'echo $PODIPS $HOSTIPS $PODIP; cat /etc/hosts /etc/resolv.conf');
    expect(told.split('\n')[0]).toBe(`${own.join()} ${cluster.control.addresses.join()} ${podIP}`);
    for (const ip of own) expect(told).toContain(`${ip}\there\n`);
    expect(told).toMatch(/nameserver 10\.97\.0\.10\nnameserver fd00:97::a\n/);
  });

  test('pods reach pods of the other node and services over both', async () => {
    const { podIPs = [] } = (await k.pod('there')).status as { podIPs?: { ip: string }[] };
    for (const { ip } of podIPs) expect((await fetched('here', ip, 8080)).trim()).toBe('there');
    const ips = JSON.parse(await path('service', 'web', '{.spec.clusterIPs}')) as string[];
    expect(ips.map(isV6)).toEqual([false, true]);
    for (const ip of ips) for (const from of ['here', 'there']) expect(await fetched(from, ip, 80)).toMatch(/^web-/);
  });

  test('node ports answer on every address of every node', async () => {
    const port = Number(await path('service', 'web', '{.spec.ports[0].nodePort}'));
    for (const address of cluster.hosts.flatMap(host => host.addresses)) {
      const url = `http://${hostPort(address, port)}`;
      expect(await cluster.control.run(['timeout', '5', 'busybox', 'wget', '-qO-', url])).toMatch(/^web-/);
    }
  });

  test('names have addresses of both, asked of either server', async () => {
    const ips = JSON.parse(await path('service', 'web', '{.spec.clusterIPs}')) as string[];
    for (const server of ['10.97.0.10', 'fd00:97::a'])
      expect(await resolved('there', 'web.default.svc.cluster.local', server)).toEqual([...ips].sort());
    const headless = await resolved('here', 'all.default.svc.cluster.local');
    expect(headless.map(isV6).sort()).toEqual([false, false, true, true]);
  });

  test('another range of service addresses stays until its last address is free', async () => {
    await k.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'more' },
      spec: { cidrs: ['fd00:97:1::/112'] },
    });
    await k.run(['wait', '--for=condition=Ready', 'servicecidr/more', '--timeout=20s']);
    await k.apply(service('extra', { clusterIP: 'fd00:97:1::7', selector: { app: 'web' } }));
    await k.run(['delete', 'servicecidr', 'more', '--wait=false']);
    await k.run(['wait', '--for=condition=Ready=false', 'servicecidr/more', '--timeout=20s']);
    expect(await path('servicecidr', 'more', '{.status.conditions[0].reason}')).toBe('Terminating');
    await k.run(['delete', 'service', 'extra']);
  });

  test('a service of one family gets the other by its policy, and gives it back', async () => {
    const ips = async () => JSON.parse(await path('service', 'one', '{.spec.clusterIPs}')) as string[];
    const [first = ''] = await ips();
    const policy = (ipFamilyPolicy: string) =>
      k.run(['patch', 'service', 'one', '-p', JSON.stringify({ spec: { ipFamilyPolicy } })]);
    await policy('RequireDualStack');
    const [same, second = ''] = await ips();
    expect([same, isV6(second)]).toEqual([first, true]);
    expect(await path('ipaddress', second, '{.spec.parentRef.name}')).toBe('one');
    expect(await fetched('here', second, 80)).toMatch(/^web-/);
    await policy('SingleStack');
    expect(await ips()).toEqual([first]);
    expect((await k.try(['get', 'ipaddress', second])).code).not.toBe(0);
  });

  test('a range without addresses goes once every server knows', async () => {
    await k.run(['wait', '--for=delete', 'servicecidr/more', '--timeout=30s'], { timeoutMs: 40_000 });
  });
});

describe('IPv6 alone', () => {
  beforeAll(() =>
    start('ipv6', {
      families: ['IPv6'],
      settings: { 'cluster-cidr': 'fd00:246::/48', 'service-cidr': 'fd00:98::/112' },
      nodeSettings: { 'proxy-mode': 'iptables' },
    }),
  );
  afterAll(async () => cluster?.close());

  test('pods, services, names, node ports and the API server answer, and nothing has an IPv4 address', async () => {
    const addresses = await path('pods', '{.items[*].status.podIPs[*].ip} {.items[*].status.hostIPs[*].ip}');
    const ips = await path('services', '-A', '{.items[*].spec.clusterIPs[*]}');
    expect([addresses, ips].join(' ')).not.toMatch(/\d+\.\d+\.\d+\.\d+/);
    const ip = await path('service', 'web', '{.spec.clusterIP}');
    const there = (await k.pod('there')).status.podIP ?? '';
    expect((await fetched('here', there, 8080)).trim()).toBe('there');
    expect(await fetched('there', ip, 80)).toMatch(/^web-/);
    expect(await k.exec('here', 'timeout 5 wget -qO- http://web')).toMatch(/^web-/);
    expect(await resolved('here', 'web.default.svc.cluster.local')).toEqual([ip]);
    expect(await k.tryExec('there', 'nc -w 3 $KUBERNETES_SERVICE_HOST 443 </dev/null')).toMatchObject({ code: 0 });
    expect(await k.exec('here', 'echo $KUBERNETES_PORT')).toBe('tcp://[fd00:98::1]:443\n');
    const port = Number(await path('service', 'web', '{.spec.ports[0].nodePort}'));
    for (const host of cluster.hosts) {
      const url = `http://${urlHost(host.address)}:${port}`;
      expect(await cluster.control.run(['timeout', '5', 'busybox', 'wget', '-qO-', url])).toMatch(/^web-/);
    }
  });

  test('port-forward carries a request to a pod that has IPv6 alone', async () => {
    const argv = inNamespace(cluster.control.namespace, k.argv(['port-forward', 'pod/there', '18080:8080']));
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'ignore' });
    try {
      const ask = ['timeout', '3', 'busybox', 'wget', '-qO-', 'http://[::1]:18080'];
      expect((await waitFor('an answer', () => cluster.control.run(ask))).trim()).toBe('there');
    } finally {
      child.kill();
    }
  });

  test('logs, exec and the proxy reach kubelets by their IPv6 addresses', async () => {
    expect(await k.exec('there', 'hostname')).toBe('there\n');
    expect((await k.try(['logs', 'there'])).code).toBe(0);
    expect(await k.run(['get', '--raw', '/api/v1/nodes/w1/proxy/healthz'])).toBe('ok');
    expect((await k.run(['get', '--raw', '/api/v1/namespaces/default/pods/there:8080/proxy/'])).trim()).toBe('there');
  });
});
