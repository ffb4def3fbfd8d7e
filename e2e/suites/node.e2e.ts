/** What a node tells of itself, whom it takes, and how somebody looks around on it. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import type { KubeObject, Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, IMAGE, pod } from './objects.ts';

jest.setTimeout(120_000);

interface NodeObject extends KubeObject {
  readonly status: { capacity: Record<string, string>; allocatable: Record<string, string> };
}

let cluster: Cluster;
let k: Kubectl;
let name: string;

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('node');
  name = (await k.list(['nodes']))[0]?.metadata.name ?? '';
});
afterAll(async () => {
  await setForeign(undefined).catch(() => undefined);
  await k.removeNamespace();
});

const RESOURCE = 'example.com/things';
const node = (): Promise<NodeObject> => k.json<NodeObject>(['get', 'node', name]);

/** Writes the node's status as an administrator does; who writes meanwhile goes first. */
async function setForeign(amount: string | undefined): Promise<void> {
  await waitFor('the status to be written', async () => {
    const now = await node();
    const { [RESOURCE]: _, ...capacity } = now.status.capacity;
    const status = { ...now.status, capacity: amount === undefined ? capacity : { ...capacity, [RESOURCE]: amount } };
    const input = JSON.stringify({ ...now, status });
    return (await k.try(['replace', '--raw', `/api/v1/nodes/${name}/status`, '-f', '-'], { input })).code === 0;
  });
}

test('capacity that somebody else writes counts, grows, and goes', async () => {
  for (const amount of ['3', '5']) {
    await setForeign(amount);
    await waitFor('pods to be let use it', async () => (await node()).status.allocatable[RESOURCE] === amount);
  }
  const resources = { limits: { [RESOURCE]: '4' } };
  await k.create(pod('user', { command: IDLE, container: { resources }, spec: { nodeName: name } }));
  await k.waitReady('pod/user');
  await k.create(pod('late', { command: IDLE, container: { resources }, spec: { nodeName: name } }));
  const late = await k.waitPod('late', 'is turned away', p => p.status.phase === 'Failed');
  expect(late.status).toMatchObject({
    reason: `OutOf${RESOURCE}`,
    message: `Pod was rejected: Node didn't have enough resource: ${RESOURCE}, requested: 4, used: 4, capacity: 5`,
  });
  await setForeign(undefined);
  await waitFor('it to be gone', async () => (await node()).status.allocatable[RESOURCE] === undefined);
});

test('a critical pod makes a lesser one end where there is no room for both', async () => {
  const memory = `${Math.floor(Number.parseInt((await node()).status.allocatable['memory'] ?? '', 10) * 0.6)}Ki`;
  const container = { resources: { requests: { memory } } };
  await k.create(pod('lesser', { command: IDLE, container, spec: { nodeName: name } }));
  await k.waitReady('pod/lesser');
  const spec = { nodeName: name, priorityClassName: 'system-node-critical' };
  await k.create(pod('critical', { command: IDLE, container, spec }));
  await k.waitReady('pod/critical');
  const lesser = await k.pod('lesser');
  expect(lesser.status).toMatchObject({ phase: 'Failed', reason: 'Preempting' });
  expect(lesser.status.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }),
  );
});

test('kubectl debug shows the node itself', async () => {
  await k.run(['debug', `node/${name}`, `--image=${IMAGE}`, '--', 'sh', '-c', 'ls /host/proc/self/ns; sleep 1000']);
  const debugger_ = await waitFor('the pod', async () =>
    (await k.pods()).find(p => p.metadata.name.startsWith('node-debugger-')),
  );
  await k.waitReady(`pod/${debugger_.metadata.name}`);
  expect(debugger_.spec).toMatchObject({ hostPID: true, hostNetwork: true, hostIPC: true });
  expect(await k.exec(debugger_.metadata.name, 'ls -d /host/etc/os-release; cat /proc/1/comm')).toMatch(
    /^\/host\/etc\/os-release\n\S/,
  );
});

test('events tell of a cordon', async () => {
  await k.run(['cordon', name]);
  await k.run(['uncordon', name]);
  await waitFor('the events', async () => {
    const reasons = (await k.in('default').events(name)).map(({ reason }) => reason);
    return ['NodeReady', 'NodeNotSchedulable', 'NodeSchedulable'].every(reason => reasons.includes(reason));
  });
});
