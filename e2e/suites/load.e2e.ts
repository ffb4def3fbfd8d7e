/**
 * What clients of a Service notice of a rolling update: nothing. Every request is a connection of its own (wrk), by the cluster address and by a
 * node port, while all pods are replaced; also while 100 services change a second, and while the agent of the node that they come
 * through is killed. On both packet filters. E2E_LOAD_PODS says how many pods (50 in `make chaos`).
 */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { Running } from '../machine/running.ts';
import { deployment, service } from './objects.ts';

jest.setTimeout(300_000);

const PODS = Number(process.env['E2E_LOAD_PODS'] ?? 12);
const CONNECTIONS = 8;
const SCRIPT = fileURLToPath(new URL('../load/one-request-a-connection.lua', import.meta.url));
const SERVICES = fileURLToPath(new URL('../load/services/main.ts', import.meta.url));

interface Seen {
  readonly requests: number;
  readonly errors: Readonly<Record<string, number>>;
}

const NO_ERRORS = { connect: 0, read: 0, write: 0, status: 0, timeout: 0 };

describe.each(['nftables', 'iptables'])('with %s', mode => {
  let cluster: Cluster;
  let k: Kubectl;
  let clusterIP = '';
  let nodePort = '';

  beforeAll(async () => {
    cluster = newCluster('load', { workers: 1, nodeSettings: { 'proxy-mode': mode } });
    await cluster.start();
    k = await cluster.kubectl.newNamespace('load');
    // As long as requests may still be on their way: what the proxies of all nodes need, and be it a start of the agent.
    const lifecycle = { preStop: { sleep: { seconds: 8 } } };
    const spec = { terminationGracePeriodSeconds: 20 };
    const web = deployment('web', { replicas: PODS, container: { lifecycle, readinessProbe }, spec });
    await k.apply(web, service('web', { type: 'NodePort' }));
    await k.run(['rollout', 'status', 'deployment/web', '--timeout=120s'], { timeoutMs: 130_000 });
    const { spec: made } = await k.json<{ spec: { clusterIP: string; ports: { nodePort: number }[] } }>([
      'get',
      'service',
      'web',
    ]);
    [clusterIP, nodePort] = [made.clusterIP, String(made.ports[0]?.nodePort)];
  });
  afterAll(async () => cluster?.close());

  const readinessProbe = { httpGet: { port: 8080, path: '/' }, periodSeconds: 1 };

  /** Replaces all pods under load. @returns what the clients saw */
  async function update(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<Seen[]> {
    const [worker] = cluster.workers;
    if (worker === undefined) throw new Error('there is no worker');
    const wrk = (namespace: string, target: string): Running =>
      new Running(namespace, [
        'wrk',
        '-t1',
        `-c${CONNECTIONS}`,
        '-d280s',
        '--timeout',
        '5s',
        '-s',
        SCRIPT,
        `http://${target}/`,
      ]);
    // From the node whose agent may be killed, and through it from elsewhere.
    const clients = [
      wrk(worker.namespace, `${clusterIP}:80`),
      wrk(cluster.network.namespace, `${worker.address}:${nodePort}`),
    ];
    try {
      await sleep(1_000);
      await k.run(['rollout', 'restart', 'deployment/web']);
      await meanwhile();
      await k.run(['rollout', 'status', 'deployment/web', '--timeout=200s'], { timeoutMs: 210_000 });
      // The last of the old ones go after the update has ended.
      await sleep(9_000);
      return await Promise.all(clients.map(client => client.end<Seen>('SIGINT')));
    } finally {
      for (const client of clients) client.kill();
    }
  }

  function expectNothingLost(seen: readonly Seen[]): void {
    for (const { requests, errors } of seen) {
      expect(errors).toEqual(NO_ERRORS);
      expect(requests).toBeGreaterThan(100);
    }
  }

  test('an update of all pods loses no request, while 100 services change a second', async () => {
    const { control } = cluster;
    const argv = [process.execPath, '--import', 'tsx', SERVICES, control.kubeconfig, k.namespace, 'churn', '100'];
    const churn = new Running(control.namespace, argv);
    try {
      await churn.says('changing');
      expectNothingLost(await update());
      expect((await churn.end<{ changes: number }>('SIGTERM')).changes).toBeGreaterThan(100);
    } finally {
      churn.kill();
    }
  });

  test('nor does one in whose middle the agent of a node is killed', async () => {
    const [worker] = cluster.workers;
    if (worker === undefined) throw new Error('there is no worker');
    const seen = await update(async () => {
      await sleep(2_000);
      expect(await worker.kill9()).toBeDefined();
      await cluster.join(worker);
    });
    expectNothingLost(seen);
  });

  test('k8ts proxy explain shows where they went, and check finds what somebody took away until it is back', async () => {
    const { control } = cluster;
    const explain = JSON.parse(
      await control.k8ts(['proxy', 'explain', `${k.namespace}/web`, '-o', 'json']),
    ) as Explained;
    const steps = explain.families.flatMap(({ path }) => path.flatMap(flat));
    expect(steps.filter(({ rule }) => rule === undefined)).toEqual([]);
    const pods = new Set((await k.pods('app=web')).map(p => `endpoint ${p.status.podIP}:8080`));
    expect(new Set(steps.map(({ title }) => title).filter(title => title.startsWith('endpoint ')))).toEqual(pods);
    await waitFor('what is wanted in the kernel', () => isRight(control));

    const flush =
      mode === 'nftables' ? ['nft', 'delete', 'table', 'ip', 'k8ts-proxy'] : ['iptables', '-t', 'nat', '-F'];
    await control.run(flush);
    await waitFor('the rules again', () => isRight(control));
    expect(await control.run(['curl', '-s', '-m', '5', `http://${clusterIP}/`])).toMatch(/^web-/);
  });

  async function isRight(control: Host): Promise<boolean> {
    const { code, stdout } = await control.tryK8ts(['proxy', 'check', '-o', 'json']);
    if (code !== 0) throw new Error(stdout);
    return true;
  }
});

interface Step {
  readonly title: string;
  readonly rule?: string;
  readonly next: readonly Step[];
}

interface Explained {
  readonly families: readonly { readonly path: readonly Step[] }[];
}

function flat(step: Step): Step[] {
  return [step, ...step.next.flatMap(flat)];
}
