/** NetworkPolicies on two nodes, one with nftables and one with iptables: pods beside each other and across, and every way things change. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, shell } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let worker: Host;
let k: Kubectl;
let other: Kubectl;
const ips = new Map<string, string>();

const on = (node: string) => ({ nodeSelector: { 'kubernetes.io/hostname': node } });
/** Answers on 8080, called `web`; its probe comes from the node. */
const served = {
  ports: [{ name: 'web', containerPort: 8080 }],
  readinessProbe: { httpGet: { port: 'web' }, periodSeconds: 1 },
};

beforeAll(async () => {
  cluster = newCluster('network-policy', {
    workers: 1,
    settings: { 'proxy-mode': 'nftables' },
    nodeSettings: { 'proxy-mode': 'iptables' },
  });
  await cluster.start();
  const [first] = cluster.workers;
  if (first === undefined) throw new Error('no worker');
  worker = first;
  k = cluster.kubectl;
  other = await k.newNamespace('other');
  await k.apply(
    pod('a', { container: served, spec: on('cp') }),
    pod('b', { spec: on('cp') }),
    pod('c', { container: served, spec: on('w1') }),
    pod('d', { spec: on('w1') }),
  );
  await other.apply(pod('x', { labels: { app: 'b' }, spec: on('w1') }));
  await k.waitReady('pod a b c d');
  await other.waitReady('pod x');
  for (const name of ['a', 'b', 'c', 'd']) ips.set(name, (await k.pod(name)).status.podIP ?? '');
});
afterAll(async () => cluster?.close());

const policy = (name: string, spec: object): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec,
});
const isolated = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
const toDns = {
  to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
  ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }],
};

async function reaches(from: string, to: string, port = 8080, there = k): Promise<boolean> {
  const { code } = await there.tryExec(from, `nc -w 1 ${ips.get(to) ?? to} ${port} </dev/null`);
  return code === 0;
}

/** `a>c` they do, `a!c` they do not; all at once, once all is so. */
async function expectReach(...pairs: string[]): Promise<void> {
  await waitFor(pairs.join(' '), async () => {
    const seen = await Promise.all(
      pairs.map(async pair => {
        const [from = '', to = ''] = pair.split(/[>!]/);
        return `${from}${(await (from === 'x' ? reaches('x', to, 8080, other) : reaches(from, to))) ? '>' : '!'}${to}`;
      }),
    );
    if (seen.join() !== pairs.join()) throw new Error(seen.join(' '));
    return true;
  });
}

const withoutPolicies = () => k.run(['delete', 'networkpolicy', '--all']);

test('without a policy all reach all, and no rule stands', async () => {
  await expectReach('a>c', 'b>a', 'b>c', 'd>c', 'd>a', 'x>a');
  expect(await cluster.control.run(['nft', 'list', 'tables'])).not.toContain('k8ts-policy');
  expect(await worker.run(['iptables-save', '-t', 'mangle'])).not.toContain('K8TS-POL');
});

test('who is isolated reaches nobody and is reached by nobody but his node: beside each other and across', async () => {
  await k.apply(policy('isolated', isolated));
  await expectReach('a!c', 'b!a', 'b!c', 'd!c', 'd!a', 'x!a', 'x!c');
  expect(await k.tryExec('b', 'timeout 3 nslookup kubernetes.default.svc.cluster.local')).not.toMatchObject({
    code: 0,
  });
  // Probes of both nodes go on.
  for (const name of ['a', 'c']) expect((await k.pod(name)).status.containerStatuses?.[0]?.ready).toBe(true);
  expect(await cluster.control.run(['nft', 'list', 'tables'])).toContain('k8ts-policy');
  expect(await worker.run(['iptables-save', '-t', 'mangle'])).toContain('K8TS-POL');
});

test('cluster DNS is let through by its labels', async () => {
  await k.apply(policy('dns', { podSelector: {}, egress: [toDns], policyTypes: ['Egress'] }));
  for (const name of ['b', 'd'])
    await waitFor(`answers for ${name}`, async () => {
      const { code } = await k.tryExec(name, 'timeout 3 nslookup kubernetes.default.svc.cluster.local');
      return code === 0;
    });
  await expectReach('b!a', 'd!a');
});

test('a pod that is new is covered before it sends or answers anything', async () => {
  const tries = `for i in 1 2 3; do nc -w 1 ${ips.get('a')} 8080 </dev/null && echo through; done; echo over; ${IDLE[2]}`;
  await Promise.all(
    ['cp', 'w1'].map(async node => {
      await k.apply(pod(`new-${node}`, { command: shell(tries), spec: on(node) }));
      await waitFor('its tries', async () => (await k.run(['logs', `new-${node}`])).includes('over'));
      expect(await k.run(['logs', `new-${node}`])).not.toContain('through');
    }),
  );
  await k.run(['delete', 'pod', 'new-cp', 'new-w1', '--wait=false']);
});

test('namespaces, labels and named ports, all policies together', async () => {
  await withoutPolicies();
  const from = [{ podSelector: { matchLabels: { app: 'd' } } }];
  await k.apply(
    policy('closed', { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'c'] }] } }),
    policy('from-d', { podSelector: {}, ingress: [{ from, ports: [{ port: 'web' }] }] }),
  );
  await expectReach('d>a', 'd>c', 'b!a', 'b!c', 'x!a');
  const { namespace } = other;
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await k.apply(policy('from-x', { podSelector: {}, ingress: [{ from: [{ namespaceSelector }] }] }));
  await expectReach('x>a', 'x>c', 'b!a', 'd>c');
  await k.run(['label', 'namespace', namespace, 'team=y']);
  const team = { namespaceSelector: { matchLabels: { team: 'z' } }, podSelector: { matchLabels: { app: 'b' } } };
  await k.apply(policy('from-x', { podSelector: {}, ingress: [{ from: [team] }] }));
  await expectReach('x!a', 'x!c', 'b!c');
  await k.run(['label', '--overwrite', 'namespace', namespace, 'team=z']);
  await expectReach('x>a', 'x>c', 'b!c');
});

test('a pod that gets other labels gets other rights', async () => {
  await k.run(['label', '--overwrite', 'pod', 'd', 'app=e']);
  await expectReach('d!a', 'd!c');
  await k.run(['label', '--overwrite', 'pod', 'b', 'app=d']);
  await expectReach('b>a', 'b>c');
  await k.run(['label', '--overwrite', 'pod', 'b', 'app=b']);
  await k.run(['label', '--overwrite', 'pod', 'd', 'app=d']);
  await expectReach('d>a', 'd>c', 'b!a', 'b!c');
});

test('blocks of addresses with exceptions', async () => {
  await withoutPolicies();
  const to = [{ ipBlock: { cidr: '0.0.0.0/0', except: [`${ips.get('c')}/32`] } }];
  await k.apply(policy('not-c', { podSelector: {}, egress: [{ to }], policyTypes: ['Egress'] }));
  await expectReach('b!c', 'd!c', 'b>a', 'd>a');
  expect(await reaches('b', worker.address, 10250)).toBe(true);
});

test('while policies change under traffic, what stays allowed goes on and what stays forbidden never passes', async () => {
  await withoutPolicies();
  const ingress = (app: string) => [
    { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['d', app] }] } }] },
  ];
  await k.apply(policy('p', { podSelector: { matchLabels: { app: 'c' } }, ingress: ingress('none') }));
  await expectReach('d>c', 'b!c');
  const loop = (times: number) =>
    `i=0; n=0; while [ $i -lt ${times} ]; do nc -w 1 ${ips.get('c')} 8080 </dev/null && n=$((n+1)); i=$((i+1)); done; echo $n`;
  const allowed = k.exec('d', loop(400));
  const forbidden = k.exec('b', loop(4));
  for (let i = 0; i < 8; i++) {
    await k.apply(
      policy('p', { podSelector: { matchLabels: { app: 'c' } }, ingress: ingress(`none-${i}`) }),
      policy('q', { podSelector: i % 2 === 0 ? {} : { matchLabels: { app: 'none' } }, ingress: ingress('c') }),
    );
  }
  expect((await allowed).trim()).toBe('400');
  expect((await forbidden).trim()).toBe('0');
});

test('policies hold while the agent is away, and a pod that ended has no rights left', async () => {
  await worker.kill9();
  expect(await reaches('b', 'c')).toBe(false);
  await k.run(['label', '--overwrite', 'pod', 'b', 'app=d']);
  // What nobody tells a node about, it does not know.
  expect(await reaches('b', 'c')).toBe(false);
  await cluster.join(worker);
  await expectReach('d>c', 'b>c');
  await k.run(['label', '--overwrite', 'pod', 'b', 'app=b']);
  await expectReach('d>c', 'b!c');
  await k.run(['delete', 'pod', 'd', '--force', '--grace-period=0']);
  await waitFor(
    'its address to leave the rules',
    async () => !(await worker.run(['ipset', 'save'])).includes(`${ips.get('d')}\n`),
  );
});

test('the last policy that goes takes all rules along', async () => {
  await withoutPolicies();
  await expectReach('b>c', 'b>a', 'x>a', 'x>c');
  await waitFor('no rules', async () => {
    const tables = await cluster.control.run(['nft', 'list', 'tables']);
    const rest = (await worker.run(['iptables-save', '-t', 'mangle'])) + (await worker.run(['ipset', 'list', '-n']));
    return !tables.includes('k8ts-policy') && !/K8TS-POL|k8ts-p/.test(rest);
  });
});

test('a reset takes the rules of policies along', async () => {
  await k.apply(policy('isolated', isolated));
  await waitFor('rules', async () => (await worker.run(['iptables-save', '-t', 'mangle'])).includes('K8TS-POL-i4'));
  expect(await worker.reset()).toContain('network polic');
  const rest = (await worker.run(['iptables-save', '-t', 'mangle'])) + (await worker.run(['ipset', 'list', '-n']));
  expect(rest).not.toMatch(/K8TS-POL|k8ts-p/);
});
