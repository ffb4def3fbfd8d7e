/** The pod resources API over a real socket. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../../machinery/process/clock.ts';
import { PodResourcesListerService as calls } from '../../../../proto/plugins/pod-resources/pod-resources.gen.ts';
import { GrpcChannel } from '../../runtime/grpc-channel.ts';
import { MetricsRegistry } from '../../../../machinery/process/metrics.ts';
import { ResourceMetrics } from '../resource-metrics.ts';
import { maskOf } from '../plan/numa-mask.ts';
import { containerOf, podOf } from '../testdata/machines.ts';
import { servePodResources } from './pod-resources-server.ts';

const GPU = 'example.com/gpu';
const answer = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
const ended = podOf('ended', [containerOf('x', {})]);
const pods = [
  podOf('one', [containerOf('main', {})], [containerOf('first', {}), containerOf('side', {}, true)]),
  { ...ended, status: { phase: 'Succeeded' as const } },
];

let registry: MetricsRegistry;
let folder: string;
let stop: AbortController;
let channel: GrpcChannel;
let clock: FakeClock;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8ts-res-'));
  stop = new AbortController();
  clock = new FakeClock();
  registry = new MetricsRegistry();
  const socketPath = join(folder, 'pod-resources', 'kubelet.sock');
  const isMain = (container: string): boolean => container === 'main';
  await servePodResources(
    {
      socketPath,
      clock,
      metrics: new ResourceMetrics(registry),
      pods: () => pods,
      holdings: {
        devicesOf: (_, container) => {
          const grant = { byNode: new Map([[1, ['a']]]), response: answer };
          return isMain(container) ? new Map([[GPU, grant]]) : new Map();
        },
        cpusOf: (_, container) => (isMain(container) ? [2, 3] : []),
        memoryOf: (_, container) =>
          isMain(container) ? [{ nodes: maskOf([0, 1]), resource: 'memory', bytes: 4096 }] : [],
      },
      stock: () => ({
        devices: new Map([
          [
            GPU,
            {
              connected: true,
              devices: new Map([
                ['a', { id: 'a', healthy: true, nodes: [1] }],
                ['b', { id: 'b', healthy: false, nodes: [] }],
              ]),
            },
          ],
        ]),
        cpus: [1, 2, 3],
        memory: new Map([
          [
            0,
            {
              group: 1,
              assignments: 0,
              byResource: new Map([['memory', { total: 9, reservedForSystem: 2, allocatable: 7, free: 7 }]]),
            },
          ],
        ]),
      }),
    },
    stop.signal,
  );
  channel = new GrpcChannel(socketPath);
});
afterEach(async () => {
  channel.close();
  stop.abort();
  await rm(folder, { recursive: true });
});

const main = {
  name: 'main',
  devices: [{ resourceName: GPU, deviceIds: ['a'], topology: { nodes: [{ ID: 1 }] } }],
  cpuIds: [2, 3],
  memory: [{ memoryType: 'memory', size: 4096, topology: { nodes: [{ ID: 0 }, { ID: 1 }] } }],
};
const none = { devices: [], cpuIds: [], memory: [] };
const one = { name: 'one', namespace: 'default', containers: [{ ...none, name: 'side' }, main] };

test('List tells of pods that have not ended, of their sidecars and main containers; v1alpha1 does too', async () => {
  expect((await channel.unary(calls.list, {}, 5_000)).podResources).toEqual([one]);
  const older = { ...calls.list, path: '/v1alpha1.PodResourcesLister/List' };
  expect((await channel.unary(older, {}, 5_000)).podResources).toHaveLength(1);
});

test('Get tells of one', async () => {
  const ask = (podName: string) => channel.unary(calls.get, { podName, podNamespace: 'default' }, 5_000);
  expect((await ask('one')).podResources).toEqual(one);
  await expect(ask('two')).rejects.toThrow('pod two in namespace default not found');
});

test('GetAllocatableResources tells what could be had', async () => {
  expect(await channel.unary(calls.getAllocatableResources, {}, 5_000)).toEqual({
    devices: [{ resourceName: GPU, deviceIds: ['a'], topology: { nodes: [{ ID: 1 }] } }],
    cpuIds: [1, 2, 3],
    memory: [{ memoryType: 'memory', size: 7, topology: { nodes: [{ ID: 0 }] } }],
  });
});

test('who asks too often is turned away until time has passed', async () => {
  const ask = () => channel.unary(calls.list, {}, 5_000);
  for (let i = 0; i < 10; i++) await ask();
  await expect(ask()).rejects.toMatchObject({ grpcCode: 'ResourceExhausted', detail: 'rejected by rate limit' });
  await clock.advance(10);
  await ask();
  const counted = registry.render();
  expect(counted).toContain('kubelet_pod_resources_endpoint_requests_list{server_api_version="v1"} 12\n');
  expect(counted).toContain('kubelet_pod_resources_endpoint_errors_list{server_api_version="v1"} 1\n');
});

test('a path that is too long for a socket is told', async () => {
  const socketPath = join(folder, 'x'.repeat(100), 'kubelet.sock');
  const holdings = { devicesOf: () => new Map(), cpusOf: () => [], memoryOf: () => [] };
  const stock = () => ({ devices: new Map(), cpus: [], memory: new Map() });
  const serving = servePodResources(
    { socketPath, clock, metrics: new ResourceMetrics(registry), pods: () => [], holdings, stock },
    stop.signal,
  );
  await expect(serving).rejects.toThrow('choose a shorter --data-dir');
});
