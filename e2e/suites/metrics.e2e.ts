/** What nodes and pods use: the kubelet's own reports, and `kubectl top` without an add-on. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { sharedCluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, pod, shell } from './objects.ts';

jest.setTimeout(120_000);

const BUSY = shell('trap "exit 0" TERM; (while :; do :; done) & wait');

let k: Kubectl;
let node: string;

beforeAll(async () => {
  k = await (await sharedCluster()).kubectl.newNamespace('metrics');
  await k.apply(
    pod('busy', { command: BUSY }),
    deployment('crowd', { command: IDLE }),
    pod('idle', { command: IDLE, container: { resources: { limits: { memory: '64Mi' } } } }),
  );
  await k.waitReady('pod busy idle');
  await k.run(['wait', '--for=condition=Available', '--timeout=60s', 'deployment', 'crowd']);
  node = (await k.pod('busy')).spec.nodeName ?? '';
});
afterAll(async () => k?.removeNamespace());

/** Thousandths of a core and mebibytes by name, as kubectl prints them. */
async function top(args: readonly string[]): Promise<Map<string, { cpu: number; memory: number }>> {
  const lines = (await k.run(['top', ...args, '--no-headers'])).trim().split('\n');
  return new Map(
    lines.map(line => {
      const [name = '', cpu = '', ...rest] = line.trim().split(/\s+/);
      const memory = rest.find(word => word.endsWith('Mi')) ?? '';
      return [name, { cpu: Number.parseInt(cpu, 10), memory: Number.parseInt(memory, 10) }];
    }),
  );
}

test('kubectl top pod tells the busy pod from the idle one', async () => {
  const usage = await waitFor(
    'both pods in kubectl top',
    async () => {
      const found = await top(['pod']);
      return found.has('busy') && found.has('idle') ? found : undefined;
    },
    { timeoutMs: 15_000 },
  );
  const busy = usage.get('busy')?.cpu ?? 0;
  const idle = usage.get('idle')?.cpu ?? Infinity;
  expect(busy).toBeGreaterThan(10 * Math.max(1, idle));
});

test('kubectl top node has the node, which uses no less than its busy pod', async () => {
  const usage = (await top(['node'])).get(node);
  expect(usage?.cpu).toBeGreaterThan(0);
  expect(usage?.memory).toBeGreaterThan(0);
});

test('metrics.k8s.io selects by label and says what is not there', async () => {
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${k.namespace}/pods`;
  const list = JSON.parse(await k.run(['get', '--raw', `${path}?labelSelector=app%3Didle`])) as {
    kind: string;
    items: { metadata: { name: string }; containers: { name: string; usage: object }[] }[];
  };
  expect(list.kind).toBe('PodMetricsList');
  expect(list.items.map(item => [item.metadata.name, item.containers.map(c => c.name)])).toEqual([['idle', ['main']]]);
  expect((await k.try(['get', '--raw', `${path}/none`])).stderr).toContain('not found');
  expect(await k.run(['get', 'pods.metrics.k8s.io'])).toMatch(/^NAME\s+CPU\s+MEMORY\s+WINDOW/);
  const groups = await k.run(['api-resources', '--api-group=metrics.k8s.io', '--no-headers']);
  expect(groups).toMatch(/nodes\s.*NodeMetrics[\s\S]*pods\s.*PodMetrics/);
});

test('whoever may view a namespace may see what its pods use', async () => {
  await k.run(['create', 'rolebinding', 'viewer', '--clusterrole=view', '--user=viewer']);
  const list = await waitFor(
    'the right to reach the viewer',
    async () =>
      (await k.try(['get', '--raw', `/apis/metrics.k8s.io/v1beta1/namespaces/${k.namespace}/pods`, '--as=viewer']))
        .stdout,
  );
  expect(list).toContain('PodMetricsList');
  expect((await k.try(['top', 'node', '--as=viewer'])).code).not.toBe(0);
});

test("the kubelet's reports hold the pods", async () => {
  const from = (path: string): Promise<string> => k.run(['get', '--raw', `/api/v1/nodes/${node}/proxy${path}`]);
  const summary = JSON.parse(await from('/stats/summary')) as {
    node: { cpu: { usageCoreNanoSeconds: number }; fs: { capacityBytes: number } };
    pods: {
      podRef: { name: string; namespace: string };
      network?: { interfaces: { rxBytes: number }[] };
      process_stats: { process_count: number };
      containers: { name: string; memory: { workingSetBytes: number; availableBytes?: number } }[];
    }[];
  };
  expect(summary.node.fs.capacityBytes).toBeGreaterThan(0);
  const idle = summary.pods.find(({ podRef }) => podRef.name === 'idle' && podRef.namespace === k.namespace);
  expect(idle?.containers[0]?.memory.workingSetBytes).toBeGreaterThan(0);
  expect(idle?.containers[0]?.memory.availableBytes).toBeLessThan(64 * 1024 * 1024);
  expect(idle?.network?.interfaces.length).toBe(1);
  expect(idle?.process_stats.process_count).toBeGreaterThanOrEqual(2);
  const ofPod = `namespace="${k.namespace}",pod="idle"`;
  expect(await from('/metrics/resource')).toMatch(
    new RegExp(`container_cpu_usage_seconds_total\\{container="main",${ofPod}\\} [0-9.]+ \\d+`),
  );
  expect(await from('/metrics/cadvisor')).toMatch(
    new RegExp(`container_cpu_cfs_periods_total\\{container="main",[^}]*${ofPod}\\} \\d+ \\d+`),
  );
  const own = await from('/metrics');
  expect(own).toContain('kubelet_runtime_operations_total{operation_type="run_podsandbox"}');
  expect(own).toMatch(/kubelet_running_pods [1-9]/);
  expect(own).toMatch(/kubelet_pod_start_duration_seconds_count [1-9]/);
});

test('a HorizontalPodAutoscaler makes more of what uses too much, and says why', async () => {
  await k.apply({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'crowd' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'crowd' },
      minReplicas: 1,
      maxReplicas: 2,
      // What a young pod takes of the processor does not count yet; its memory does.
      metrics: [
        { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '64Ki' } } },
      ],
    },
  });
  const status = async () => (await k.json<{ status?: HpaStatus }>(['get', 'hpa.v2.autoscaling', 'crowd'])).status;
  await waitFor('the autoscaler to scale', async () => (await status())?.desiredReplicas === 2, { timeoutMs: 60_000 });
  const conditions = (await status())?.conditions?.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`);
  expect(conditions).toContain('AbleToScale True SucceededRescale');
  expect(conditions).toContain('ScalingActive True ValidMetricFound');
  await waitFor('two pods', async () => (await k.pods('app=crowd')).length === 2);
  const event = await waitFor('its event', async () =>
    (await k.events('crowd')).find(({ reason }) => reason === 'SuccessfulRescale'),
  );
  expect(event.message).toBe('New size: 2; reason: memory resource above target');
});

interface HpaStatus {
  desiredReplicas?: number;
  conditions?: { type: string; status: string; reason: string }[];
}
