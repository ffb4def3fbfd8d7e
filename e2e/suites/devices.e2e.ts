/** Devices of a plugin, processors that a container has to itself, and what of both survives a crash of the agent. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Client, credentials } from '@grpc/grpc-js';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { PodResourcesListerService, type PodResources } from '../../proto/plugins/pod-resources/pod-resources.gen.ts';
import { DevicePlugin } from '../device-plugin/device-plugin.ts';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { run } from '../machine/command.ts';
import type { Kubectl, PodObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, IMAGE, pod } from './objects.ts';

jest.setTimeout(120_000);

const RESOURCE = 'example.com/null';
/** The first processor is the system's. */
const others = cpus().length === 2 ? '1' : `1-${cpus().length - 1}`;
const all = `0-${cpus().length - 1}`;

let cluster: Cluster;
let k: Kubectl;
let plugin: DevicePlugin;

beforeAll(async () => {
  cluster = newCluster('devices');
  const { control } = cluster;
  await cluster.build();
  const configuration = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cpuManagerPolicy: 'static',
    reservedSystemCPUs: '0',
  };
  writeFileSync(control.path('kubelet.json'), JSON.stringify(configuration));
  control.writeConfig({ 'kubelet-config': control.path('kubelet.json') });
  mkdirSync(control.path('dev'));
  const devices = new Map(
    ['null-a', 'null-b', 'null-c'].map(id => [id, { hostPath: control.path('dev', id), healthy: true }]),
  );
  for (const { hostPath } of devices.values()) await run(['mknod', hostPath, 'c', '1', '3']);
  await cluster.up();
  k = await cluster.kubectl.newNamespace('devices');
  plugin = new DevicePlugin(control.path('data', 'kubelet', 'device-plugins'), RESOURCE, devices);
  await plugin.start();
  await nodeHas({ capacity: '3', allocatable: '3' });
});
afterAll(async () => {
  await plugin?.stop();
  await cluster?.close();
});

interface NodeObject {
  status: Record<'capacity' | 'allocatable', Record<string, string>>;
}

function nodeHas(want: { capacity: string; allocatable: string }): Promise<NodeObject> {
  return waitFor(`the node to have ${JSON.stringify(want)} of ${RESOURCE}`, async () => {
    const node = await k.json<NodeObject>(['get', 'node', 'cp']);
    const { capacity, allocatable } = node.status;
    if (capacity[RESOURCE] === want.capacity && allocatable[RESOURCE] === want.allocatable) return node;
    throw new Error(`it has ${capacity[RESOURCE]} and ${allocatable[RESOURCE]}`);
  });
}

const limits = (amounts: Record<string, string>) => ({ resources: { limits: amounts, requests: amounts } });
const withDevices = (name: string, count: number, more: object = {}): object =>
  pod(name, { command: IDLE, container: { ...limits({ [RESOURCE]: String(count) }), ...more } });
const devicesIn = async (name: string): Promise<string> =>
  (await k.exec(name, 'ls /dev | grep null-')).trim().replaceAll('\n', ',');

/** As the kernel has it. */
async function cpusOf(name: string): Promise<string> {
  const id = (await k.pod(name)).status.containerStatuses?.[0]?.containerID?.split('//')[1] ?? 'none';
  const found = await run(['find', '/sys/fs/cgroup', '-name', 'cpuset.cpus', '-path', `*${id}*`]);
  return readFileSync(found.trim().split('\n')[0] ?? '', 'utf8').trim();
}

async function allocatedHealth(name: string): Promise<Record<string, string>> {
  const { status } = await k.pod(name);
  const [first] = (status.containerStatuses ?? []) as readonly {
    allocatedResourcesStatus?: { name: string; resources: { resourceID: string; health: string }[] }[];
  }[];
  const resources =
    first?.allocatedResourcesStatus?.find(({ name: resource }) => resource === RESOURCE)?.resources ?? [];
  return Object.fromEntries(resources.map(({ resourceID, health }) => [resourceID, health]));
}

async function podResources(): Promise<readonly PodResources[]> {
  const socket = cluster.control.path('data', 'kubelet', 'pod-resources', 'kubelet.sock');
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = PodResourcesListerService.list;
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (error, answer) =>
        error === null ? resolve(answer?.podResources ?? []) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}

test('a container gets the devices that its plugin prefers, what goes with them, and nobody else gets them', async () => {
  await k.create(withDevices('one', 1, { env: [{ name: 'OVERRIDDEN', value: 'by the pod' }] }));
  await k.waitReady('pod/one');
  expect(await devicesIn('one')).toBe('null-c');
  expect(await k.exec('one', 'echo text > /dev/null-c && echo $DEVICES $OVERRIDDEN')).toBe('null-c by the pod\n');
  expect(plugin.calls.slice(-3)).toEqual([
    'GetPreferredAllocation null-c',
    'Allocate null-c',
    'PreStartContainer null-c',
  ]);
  expect(await allocatedHealth('one')).toEqual({ 'null-c': 'Healthy' });
  // Past the scheduler, which would have kept it back.
  await k.create(pod('three', { command: IDLE, container: limits({ [RESOURCE]: '3' }), spec: { nodeName: 'cp' } }));
  const refused = await k.waitPod('three', 'to be refused', ({ status }) => status.phase === 'Failed');
  expect(refused.status).toMatchObject({
    reason: 'UnexpectedAdmissionError',
    message: expect.stringContaining(
      'Allocate failed due to requested number of devices unavailable for example.com/null. Requested: 3, Available: 2, which is unexpected',
    ),
  });
});

test('init containers pass their devices on', async () => {
  const container = (name: string, command: readonly string[]) => ({
    name,
    image: IMAGE,
    command,
    ...limits({ [RESOURCE]: '2' }),
  });
  await k.create(
    pod('two', {
      spec: {
        initContainers: [container('first', ['/bin/sh', '-c', 'ls /dev | grep null-'])],
        containers: [container('main', IDLE)],
      },
    }),
  );
  await k.waitReady('pod/two');
  expect(await devicesIn('two')).toBe('null-a,null-b');
  expect((await k.run(['logs', 'two', '-c', 'first'])).trim()).toBe('null-a\nnull-b');
  await k.run(['delete', 'pod', 'two', 'three']);
});

test('a Guaranteed container of whole CPUs has them to itself; everybody else moves off them, and back', async () => {
  await k.create(pod('shared', { command: IDLE }));
  await k.waitReady('pod/shared');
  expect(await cpusOf('shared')).toBe(all);
  await k.create(
    pod('alone', { command: IDLE, container: limits({ cpu: String(cpus().length - 1), memory: '16Mi' }) }),
  );
  await k.waitReady('pod/alone');
  expect(await cpusOf('alone')).toBe(others);
  await waitFor('the others to move', async () => (await cpusOf('shared')) === '0');
  expect(await k.exec('alone', 'grep Cpus_allowed_list /proc/self/status')).toContain(`\t${others}\n`);
});

test('who has what is told to programs of the node', async () => {
  const told = await podResources();
  const of = (name: string) => told.find(one => one.name === name)?.containers?.[0];
  expect(of('one')?.devices).toMatchObject([{ resourceName: RESOURCE, deviceIds: ['null-c'] }]);
  expect(of('alone')?.cpuIds).toHaveLength(cpus().length - 1);
  expect(of('shared')?.cpuIds).toEqual([]);
});

test('a crash of the agent takes nothing from anybody', async () => {
  const startedAt = ({ status }: PodObject): unknown => status.containerStatuses?.[0]?.state['running']?.startedAt;
  const before = await Promise.all([k.pod('one'), k.pod('alone')]);
  await cluster.control.kill9();
  await cluster.up();
  await nodeHas({ capacity: '3', allocatable: '3' });
  const after = await Promise.all([k.pod('one'), k.pod('alone')]);
  expect(after.map(startedAt)).toEqual(before.map(startedAt));
  // A new pod finds what is left: devices of others are not given again, nor their CPUs shared.
  await k.create(withDevices('left', 2));
  await k.waitReady('pod/left');
  expect(await devicesIn('left')).toBe('null-a,null-b');
  expect(await cpusOf('left')).toBe('0');
  await k.run(['delete', 'pod', 'alone']);
  await waitFor(
    'the others to have all CPUs',
    async () => (await cpusOf('shared')) === all && (await cpusOf('left')) === all,
  );
});

test('a container that starts again has the same devices', async () => {
  // It may take the exec along.
  await k.try(['exec', 'one', '--', 'kill', '1']);
  await k.waitPod('one', 'to run again', ({ status }) => {
    const [main] = status.containerStatuses ?? [];
    return main?.restartCount === 1 && main.ready;
  });
  expect(await devicesIn('one')).toBe('null-c');
});

test('health is told; what a plugin that is away gave stays with its pods, and nobody gets more of it', async () => {
  plugin.setHealth('null-c', false);
  await nodeHas({ capacity: '3', allocatable: '2' });
  await waitFor('the pod to say so', async () => (await allocatedHealth('one'))['null-c'] === 'Unhealthy');
  plugin.setHealth('null-c', true);
  await plugin.stop();
  await nodeHas({ capacity: '3', allocatable: '0' });
  await waitFor('the pod to say so', async () => (await allocatedHealth('one'))['null-c'] === 'Unknown');
  expect(await devicesIn('one')).toBe('null-c');
  await plugin.start();
  await nodeHas({ capacity: '3', allocatable: '3' });
  await k.run(['delete', 'pod', 'left']);
});

test('a plugin that hangs keeps its own pods waiting, and is named', async () => {
  plugin.hangs = true;
  await k.create(withDevices('waits', 1), pod('other', { command: IDLE }));
  await k.waitReady('pod/other');
  await k.waitEvent('waits', 'Hanging', /does not answer Allocate/);
  await k.run(['delete', 'pod', 'waits', '--timeout=20s']);
  plugin.hangs = false;
  await k.create(withDevices('next', 2));
  await k.waitReady('pod/next');
});
