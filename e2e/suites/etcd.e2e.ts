/**
 * A cluster whose state lies in an etcd of three members, and a second API server on the same etcd: members are killed, stand still and are
 * all stopped, and kubectl sees every acknowledged write, through either server, with watches that never end.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { startEtcd, type EtcdMember } from '../machine/etcd.ts';
import type { Host } from '../machine/host.ts';
import { Kubectl } from '../machine/kubectl.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let second: Host;
let members: EtcdMember[] = [];
/** By way of either server. */
let k: Kubectl;
let k2: Kubectl;
let watch: { names: string[]; process: ChildProcess };
const acknowledged: string[] = [];

beforeAll(async () => {
  cluster = newCluster('etcd', { workers: 1 });
  await cluster.build();
  members = await startEtcd(cluster.control, 3);
  await members[0]?.ctl(['put', '/other/key', 'of somebody else']);
  for (const host of cluster.hosts) host.writeConfig({ 'etcd-servers': members.map(m => m.url) });
  await cluster.up();
  k = cluster.kubectl;
});
afterAll(async () => {
  watch?.process.kill();
  await cluster?.close();
});

/** Names of ConfigMaps as one watch tells of their making, on and on. */
function follow(client: Kubectl): { names: string[]; process: ChildProcess } {
  const [program = '', ...args] = inNamespace(
    client.host.namespace,
    client.argv(['get', 'configmaps', '-l', 'by=test', '--watch', '-o', 'name']),
  );
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const names: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    names.push(...lines.map(line => line.replace('configmap/', '')));
  });
  return { names, process: child };
}

/** Makes ConfigMaps by way of both servers in turn until `count` of them are acknowledged; failures are tried under another name. */
async function make(prefix: string, count: number): Promise<string[]> {
  const failures: string[] = [];
  let made = 0;
  for (let i = 0; made < count && i < count + 200; i++) {
    const name = `${prefix}-${i}`;
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { by: 'test' } } };
    const { code, stderr } = await (i % 2 === 0 ? k : k2).tryCreate(map);
    if (code !== 0) failures.push(stderr);
    else {
      acknowledged.push(name);
      made++;
      // What one has acknowledged the other reads.
      await waitFor('a read', () => (i % 2 === 0 ? k2 : k).run(['get', 'configmap', name]), { timeoutMs: 20_000 });
    }
  }
  expect(made).toBe(count);
  // A write that fails says that it is etcd's doing, and is never taken for a conflict with itself.
  for (const failure of failures) expect(failure).toMatch(/etcd|the watch on the store/);
  return failures;
}

async function expectAllTold(): Promise<void> {
  await waitFor('the watch to tell everything', () => acknowledged.every(name => watch.names.includes(name)));
  expect(watch.process.exitCode).toBeNull();
  expect(new Set(watch.names).size).toBe(watch.names.length);
}

async function leader(): Promise<EtcdMember> {
  for (const member of members) {
    const [{ Status: status }] = JSON.parse(await member.ctl(['endpoint', 'status', '-w', 'json'])) as [
      { Status: { leader: number; header: { member_id: number } } },
    ];
    if (status.leader === status.header.member_id) return member;
  }
  throw new Error('no member is the leader');
}

test('pods run, and the keys lie where tools for etcd look for them', async () => {
  await k.apply(deployment('idle', { replicas: 2, command: IDLE }));
  await k.run(['rollout', 'status', 'deployment/idle', '--timeout=60s']);
  await k.run(['create', 'configmap', 'a', '--from-literal=b=c']);
  const keys = (await (members[0] as EtcdMember).ctl(['get', '--prefix', '/', '--keys-only'])).split('\n');
  expect(keys).toEqual(
    expect.arrayContaining([
      '/other/key',
      '/registry/configmaps/default/a',
      '/registry/deployments/default/idle',
      '/registry/minions/cp',
      '/registry/namespaces/kube-system',
      '/registry/services/specs/default/kubernetes',
    ]),
  );
  expect(keys.filter(key => key !== '' && !key.startsWith('/registry/'))).toEqual(['/other/key']);
  expect(await k.run(['get', '--raw', '/readyz?verbose'])).toContain('[+]etcd ok');
});

test('a second API server on the same etcd: what one acknowledges the other reads', async () => {
  second = cluster.workers[0] as Host;
  mkdirSync(second.path('data', 'server'), { recursive: true });
  for (const file of ['ca.crt', 'ca.key', 'sa.key']) {
    cpSync(cluster.control.path('data', 'server', 'pki', file), second.path('data', 'server', 'pki', file));
  }
  const [program = '', ...args] = second.k8tsArgv(['server']);
  // It ends with the estate.
  spawn(program, args, { stdio: 'ignore' });
  await waitFor('the second server', async () => (await second.status())?.phase === 'running');
  k2 = new Kubectl(second);
  watch = follow(k2);
  expect(await make('both', 6)).toEqual([]);
  await expectAllTold();
});

test('the leader is moved, killed, and stands still: writes go on, and no watch ends or misses anything', async () => {
  const first = await leader();
  const other = members.find(m => m !== first) as EtcdMember;
  const [id = ''] = (await other.ctl(['endpoint', 'status'])).split(',')[1]?.trim().split(' ') ?? [];
  await first.ctl(['move-leader', id]);
  await make('moved', 2);
  const killed = await leader();
  await killed.kill();
  await make('killed', 2);
  killed.start();
  await waitFor('the member to be back', () => killed.ctl(['endpoint', 'health']));
  const still = await leader();
  still.signal('SIGSTOP');
  try {
    await make('still', 2);
  } finally {
    still.signal('SIGCONT');
  }
  await expectAllTold();
});

test('without etcd requests fail and say why; with it all goes on, in the same processes', async () => {
  const { pid } = cluster.control;
  await Promise.all(members.map(m => m.kill()));
  const refused = await waitFor('a refusal', async () => {
    const result = await k.tryCreate({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'never' } });
    return result.stderr.includes('ServiceUnavailable') || result.stderr.includes('etcd cannot be')
      ? result
      : undefined;
  });
  expect(refused.stderr).toContain((members[0] as EtcdMember).url);
  expect((await k.try(['get', '--raw', '/readyz?verbose'])).stderr).toContain('[-]etcd failed');
  for (const member of members) member.start();
  await waitFor('etcd to serve', () => (members[0] as EtcdMember).ctl(['endpoint', 'health']));
  for (const client of [k, k2]) await waitFor('a server that is ready', () => client.run(['get', '--raw', '/readyz']));
  await make('again', 2);
  await expectAllTold();
  await k.run(['rollout', 'status', 'deployment/idle', '--timeout=60s']);
  expect(cluster.control.pid).toBe(pid);
  expect((await k.list(['configmaps', '-l', 'by=test'])).map(o => o.metadata.name)).toEqual(
    expect.arrayContaining(acknowledged),
  );
});

test('one of the two schedules and controls; when it goes the other takes over at once', async () => {
  const holders = async (): Promise<string[]> => {
    const leases = await k2.in('kube-system').list(['leases']);
    return ['kube-scheduler', 'kube-controller-manager'].map(name => {
      const holder = leases.find(({ metadata }) => metadata.name === name)?.spec?.['holderIdentity'];
      return typeof holder === 'string' ? holder : '';
    });
  };
  const before = await holders();
  expect(before.every(holder => holder !== '')).toBe(true);
  await cluster.control.k8ts(['down', '--keep-pods']);
  await waitFor('other leaders', async () => {
    const after = await holders();
    return after.every((holder, i) => holder !== '' && holder !== before[i]);
  });
  await k2.apply(deployment('after', { replicas: 1, command: IDLE }));
  await waitFor('the new pod to get a node', async () =>
    (await k2.list(['pods'])).some(
      ({ metadata, spec }) => metadata.name.startsWith('after-') && spec?.['nodeName'] === 'cp',
    ),
  );
});
