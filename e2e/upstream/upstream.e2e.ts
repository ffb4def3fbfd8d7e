/**
 * Upstream's v1.20 controller manager, scheduler, kubelet and kube-proxy against our API server: they speak protobuf, old versions of some
 * kinds, and have never heard of us. `make upstream`.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { KubeObject, Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { launch, logOf, startControlPrograms, startNodePrograms } from './upstream-programs.ts';

jest.setTimeout(180_000);

const BUSYBOX = 'docker.io/local/e2e:busybox';
const HTTPD = 'docker.io/local/e2e:httpd';
/** What clients log when they cannot read what they got, or are told that they cannot be read. */
const NOT_UNDERSTOOD =
  /unable to decode|couldn't get version\/kind|cannot be handled as|does not appear to be a protobuf|proto: |illegal tag|unexpected EOF|unmarshal|media types|Unsupported Media|Not Acceptable|unknown format/i;

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = newCluster('upstream', {
    workers: 1,
    settings: {
      'cluster-cidr': '10.88.0.0/16',
      'runtime-config': ['policy/v1beta1=true', 'batch/v1beta1=true', 'discovery.k8s.io/v1beta1=true'],
      without: ['scheduler', 'controllers'],
    },
  });
  await cluster.build();
  launch(cluster.control, 'k8ts-server', cluster.control.k8tsArgv(['server']).slice(2));
  await waitFor(
    'the API server to be ready',
    async () => (await cluster.kubectl.try(['get', '--raw', '/readyz'])).code === 0,
  );
  await startControlPrograms(cluster.control);
  await startNodePrograms(cluster.control, worker());
  await waitFor(
    'the service account',
    async () => (await cluster.kubectl.try(['get', 'serviceaccount', 'default'])).code === 0,
  );
  k = await cluster.kubectl.newNamespace('upstream');
});
afterAll(() => cluster?.close());

function worker() {
  const [host] = cluster.workers;
  if (host === undefined) throw new Error('the lab has no worker');
  return host;
}

function template(app: string, image: string, command?: string[]): object {
  return {
    metadata: { labels: { app } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image, imagePullPolicy: 'Never', ...(command === undefined ? {} : { command }) }],
    },
  };
}

test('the kubelet registers its node and keeps it ready', async () => {
  await waitFor('the node to register', async () => (await k.try(['get', 'node', worker().name])).code === 0);
  await k.run(['wait', '--for=condition=Ready', `node/${worker().name}`, '--timeout=60s'], { timeoutMs: 70_000 });
  const node = await k.json<
    KubeObject & { spec: { podCIDR?: string }; status: { nodeInfo: { kubeletVersion: string } } }
  >(['get', 'node', worker().name]);
  expect(node.status.nodeInfo.kubeletVersion).toBe('v1.20.2');
  expect(node.spec.podCIDR).toMatch(/^10\.88\./);
});

test('a Deployment rolls out, serves by its Service, rolls over and scales', async () => {
  const deployment = (env: string): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { ...template('web', HTTPD), metadata: { labels: { app: 'web' }, annotations: { env } } },
    },
  });
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  };
  await k.apply(deployment('a'));
  await k.apply(service);
  await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s'], { timeoutMs: 70_000 });
  const address = await k.run(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  await waitFor('the Service to answer through kube-proxy', async () =>
    (await worker().tryRun(['curl', '-s', '--max-time', '2', `http://${address}/`])).stdout.includes('It works!'),
  );
  await k.apply(deployment('b'));
  await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s'], { timeoutMs: 70_000 });
  await k.run(['scale', 'deployment/web', '--replicas=1']);
  await waitFor('one pod to be left', async () => (await k.pods('app=web')).length === 1);
});

test('logs and exec reach the upstream kubelet', async () => {
  const talker = template('talker', BUSYBOX, ['sh', '-c', 'echo said; sleep 600']);
  await k.create({ apiVersion: 'v1', kind: 'Pod', ...talker, metadata: { name: 'talker' } });
  await k.waitReady('pod/talker');
  expect(await k.run(['logs', 'talker'])).toBe('said\n');
  expect(await k.exec('talker', 'cat /var/run/secrets/kubernetes.io/serviceaccount/namespace')).toBe(k.namespace);
});

test('a Job runs to its end, an old CronJob makes Jobs, a DaemonSet and a StatefulSet have their pods', async () => {
  const job = {
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'c', image: BUSYBOX, imagePullPolicy: 'Never', command: ['true'] }],
      },
    },
  };
  const meta = (name: string): object => ({ name });
  await k.create(
    { apiVersion: 'batch/v1', kind: 'Job', metadata: meta('once'), spec: { completions: 2, ...job } },
    {
      apiVersion: 'batch/v1beta1',
      kind: 'CronJob',
      metadata: meta('often'),
      spec: { schedule: '* * * * *', jobTemplate: { spec: job } },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: meta('everywhere'),
      spec: { selector: { matchLabels: { app: 'ds' } }, template: template('ds', HTTPD) },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: meta('kept'),
      spec: {
        serviceName: 'kept',
        replicas: 1,
        selector: { matchLabels: { app: 'sts' } },
        template: template('sts', HTTPD),
      },
    },
  );
  await k.run(['wait', '--for=condition=complete', 'job/once', '--timeout=60s'], { timeoutMs: 70_000 });
  await k.run(['rollout', 'status', 'daemonset/everywhere', '--timeout=60s'], { timeoutMs: 70_000 });
  await k.run(['rollout', 'status', 'statefulset/kept', '--timeout=60s'], { timeoutMs: 70_000 });
  await waitFor(
    'the CronJob’s first Job',
    async () => (await k.list(['jobs'])).some(found => found.metadata.name.startsWith('often-')),
    { timeoutMs: 90_000 },
  );
});

test('a disruption budget is kept by the controller that counts and the eviction that asks', async () => {
  const selector = { matchLabels: { app: 'web' } };
  await k.create({
    apiVersion: 'policy/v1beta1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web' },
    spec: { minAvailable: 1, selector },
  });
  const [pod] = await k.pods('app=web');
  const eviction = {
    apiVersion: 'policy/v1beta1',
    kind: 'Eviction',
    metadata: { name: pod?.metadata.name, namespace: k.namespace },
  };
  const path = `/api/v1/namespaces/${k.namespace}/pods/${pod?.metadata.name}/eviction`;
  await waitFor(
    'the budget to be counted',
    async () => (await k.run(['get', 'pdb', 'web', '-o', 'jsonpath={.status.currentHealthy}'])) === '1',
  );
  const refused = await k.try(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) });
  expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
});

test('deleting a namespace and its owners leaves nothing', async () => {
  await k.removeNamespace().catch(async (error: unknown) => {
    const left = await k.try(['get', 'pods', '-o', 'yaml']);
    throw new Error(`the namespace stays; its pods:\n${left.stdout.slice(0, 6_000)}`, { cause: error });
  });
  expect(await k.pods()).toEqual([]);
});

test('everybody understood everything, in protobuf', () => {
  const logs = [
    ...['kube-controller-manager', 'kube-scheduler'].map(name => [name, logOf(cluster.control, name)] as const),
    ...['kubelet', 'kube-proxy'].map(name => [name, logOf(worker(), name)] as const),
  ];
  for (const [name, log] of logs) {
    expect(log).not.toBe('');
    expect([name, log.split('\n').filter(line => NOT_UNDERSTOOD.test(line))]).toEqual([name, []]);
  }
  const types = logOf(cluster.control, 'kube-scheduler').match(/Content-Type: .*/g) ?? [];
  expect(new Set(types)).toContain('Content-Type: application/vnd.kubernetes.protobuf');
  expect(new Set(types)).toContain('Content-Type: application/vnd.kubernetes.protobuf;stream=watch');
});
