/** `k8ts reset` leaves the machine as it was before `k8ts up`: compared thing by thing. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import { argvOf, pidsNaming } from '../machine/processes.ts';
import { deployment, pod, service } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
beforeAll(async () => {
  cluster = newCluster('reset');
  await cluster.build();
});
afterAll(async () => cluster?.close());

interface Snapshot {
  readonly mounts: string[];
  readonly links: string[];
  readonly routes: string[];
  readonly policies: string[];
  readonly chainsAndRules: string[];
  readonly nft: string[];
  readonly sysctls: Record<string, string>;
  readonly processes: string[];
  readonly cgroups: string[];
  readonly files: string[];
}

async function lines(host: Host, ...argv: string[]): Promise<string[]> {
  return (await host.run(argv))
    .split('\n')
    .map(l => l.trim())
    .filter(Boolean)
    .sort();
}

async function snapshot(host: Host): Promise<Snapshot> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(l => l.split(' ')[4] ?? '');
  const saved = await lines(host, 'sh', '-c', 'iptables-save; ip6tables-save');
  const nft = await lines(host, 'nft', 'list', 'tables');
  const sysctls = await lines(host, 'sh', '-c', 'sysctl -a 2>/dev/null || busybox sysctl -a 2>/dev/null || true');
  const keep =
    /^(net\.ipv[46]\.(ip_forward|conf\.(all|default|eth0)\.|ip_local_|tcp_)|net\.bridge\.|net\.netfilter\.nf_conntrack_(max|tcp)|vm\.(overcommit|panic|max_map)|kernel\.panic|fs\.inotify)/;
  const cgroupTops = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map(name => join('/sys/fs/cgroup', name))];
  return {
    mounts: mounts.filter(path => path.startsWith(host.directory)),
    links: (await lines(host, 'ip', '-o', 'link')).map(l => l.replace(/^\d+: ([^:@]+).*$/, '$1')).sort(),
    // Link-local addresses come a while after their link does.
    routes: (await lines(host, 'ip', 'route', 'show', 'table', 'all')).filter(l => !l.includes('fe80:')),
    policies: await lines(host, 'ip', 'rule'),
    // Rules, and chains that are not built in.
    chainsAndRules: saved.filter(l => l.startsWith('-A') || /^:\S+ -/.test(l)),
    // (iptables itself makes the tables filter, nat and so on when it is first asked.)
    nft: nft.filter(t => !/^table ip6? (filter|nat|mangle|raw|security)$/.test(t)),
    sysctls: Object.fromEntries(
      sysctls.map(l => l.split(/\s*=\s*/, 2)).filter(([key = '']) => keep.test(key)) as [string, string][],
    ),
    processes: [...pidsNaming(`${host.directory}/`), ...pidsNaming(`/${host.cgroupRoot}`)].map(pid =>
      argvOf(pid).join(' '),
    ),
    cgroups: cgroupTops.map(top => join(top, host.cgroupRoot)).filter(path => existsSync(path)),
    files: existsSync(host.directory) ? readdirSync(host.directory).sort() : [],
  };
}

test('everything is as before', async () => {
  const host = cluster.control;
  const before = await snapshot(host);
  await cluster.up();
  await cluster.kubectl.apply(
    deployment('web', {
      replicas: 2,
      container: { volumeMounts: [{ name: 's', mountPath: '/s' }] },
      spec: { volumes: [{ name: 's', emptyDir: { medium: 'Memory' } }] },
    }),
    service('web', { type: 'NodePort', sessionAffinity: 'ClientIP' }),
    pod('port', { container: { ports: [{ containerPort: 8080, hostPort: 18080 }] } }),
  );
  await cluster.kubectl.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  await cluster.kubectl.waitReady('pod port');
  const during = await snapshot(host);
  // It would be no proof if there had been nothing to take away.
  for (const thing of ['mounts', 'links', 'routes', 'nft', 'processes', 'cgroups', 'files'] as const)
    expect({ thing, more: during[thing].length > before[thing].length }).toEqual({ thing, more: true });

  const out = await host.reset();
  for (const word of ['process', 'mount', 'cgroup', 'service rules of nftables']) expect(out).toContain(word);
  // The configuration folder goes, too; it was the test's own before.
  expect(await snapshot(host)).toEqual({ ...before, files: before.files.filter(f => f !== 'config') });
});

test('a second reset finds nothing', async () => {
  cluster.control.writeConfig();
  const out = await cluster.control.reset();
  expect(out).not.toMatch(/process|mount|rules/);
});

test('after k8ts was killed, with pods running, reset takes all away as well', async () => {
  const host = cluster.control;
  host.writeConfig({ 'proxy-mode': 'iptables' });
  const before = await snapshot(host);
  await cluster.up();
  await cluster.kubectl.apply(deployment('web', { replicas: 2 }));
  await cluster.kubectl.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  expect((await snapshot(host)).chainsAndRules.length).toBeGreaterThan(before.chainsAndRules.length);
  await host.kill9();
  await host.killContainerd();
  await host.reset();
  expect(await snapshot(host)).toEqual({ ...before, files: before.files.filter(f => f !== 'config') });
});

test('and k8ts comes up again on the same machine', async () => {
  cluster.control.writeConfig();
  expect(await cluster.up()).toContain('is Ready');
});
