/**
 * kill -9 of k8ts at random moments while objects come and go, E2E_CHAOS_ROUNDS times (default 3), and of containerd.
 *
 * After each restart: every acknowledged write holds, containers that ran were not touched, and nothing runs that no pod owns.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { run } from '../machine/command.ts';
import type { Kubectl, PodObject } from '../machine/kubectl.ts';
import { argvOf, pidsNaming } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, pod } from './objects.ts';

const rounds = Number(process.env['E2E_CHAOS_ROUNDS'] ?? 3);
jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = newCluster('chaos');
  await cluster.start();
  k = cluster.kubectl;
  await k.apply(deployment('steady', { replicas: 3, command: IDLE }));
  await k.run(['rollout', 'status', 'deployment/steady', '--timeout=60s']);
});
afterAll(async () => cluster?.close());

/** What clients know of an object: the server said it is there, said it is gone, or did not answer. */
type Known = 'there' | 'gone' | 'unknown';

/** Containers that run, by pod: `ID startedAt` of each. */
function lives(pods: readonly PodObject[]): Map<string, string> {
  return new Map(
    pods
      .filter(
        p =>
          p.metadata.deletionTimestamp === undefined && p.status.containerStatuses?.[0]?.state['running'] !== undefined,
      )
      .map(p => {
        const c = p.status.containerStatuses?.[0];
        return [p.metadata.name, `${c?.containerID} ${c?.state['running']?.startedAt} restarts=${c?.restartCount}`];
      }),
  );
}

/** Creates and deletes pods and ConfigMaps until `signal`, noting what the server acknowledged. */
async function churn(known: Map<string, Known>, prefix: string, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const name = `${prefix}-${i}`;
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { i: String(i) } };
    for (const [ref, object] of [
      [`pod/${name}`, pod(name, { command: IDLE })],
      [`configmap/${name}`, map],
    ] as const) {
      known.set(ref, 'unknown');
      const created = await k.tryCreate(object);
      if (created.code === 0) known.set(ref, 'there');
    }
    const victim = `${['pod', 'configmap'][i % 2]}/${prefix}-${i - 1}`;
    if (i % 3 === 0 || known.get(victim) !== 'there') continue;
    known.set(victim, 'unknown');
    const deleted = await k.try(['delete', victim, '--wait=false']);
    if (deleted.code === 0) known.set(victim, 'gone');
  }
}

async function refs(): Promise<Set<string>> {
  const text = await k.run(['get', 'pods,configmaps', '-o', 'name']);
  return new Set(text.split('\n').filter(Boolean));
}

/** Ids of all containers and sandboxes that the node's containerd runs. */
async function tasks(): Promise<string[]> {
  const text = await run(['ctr', '-a', cluster.control.containerdSocket, '-n', 'k8s.io', 'tasks', 'list']);
  return text
    .split('\n')
    .filter(line => /\bRUNNING\b/.test(line))
    .map(line => line.split(/\s+/)[0] ?? '');
}

/** Every pod runs one container in one sandbox, and nothing else runs. */
async function expectNothingLeftOver(): Promise<void> {
  await waitFor(
    'runtime and API to agree',
    async () => {
      const pods = await k.pods();
      if (pods.some(p => p.metadata.deletionTimestamp !== undefined || p.status.phase !== 'Running'))
        throw new Error(await k.run(['get', 'pods']));
      const ids = pods.map(p => p.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '?');
      const running = await tasks();
      if (running.length === 2 * pods.length && ids.every(id => running.includes(id))) return true;
      throw new Error(`${running.length} tasks run for ${pods.length} pods`);
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
}

test.each(Array.from({ length: rounds }, (_, i) => i + 1))('kill -9, round %i', async round => {
  const known = new Map<string, Known>();
  const stop = new AbortController();
  const churning = ['a', 'b'].map(who => churn(known, `r${round}${who}`, stop.signal));
  // The moment of the kill is the one thing here that is meant to be arbitrary.
  const afterMs = Math.round(300 + Math.random() * 4_000);
  let seen: readonly PodObject[] = [];
  try {
    await sleep(afterMs);
    // What is known to run now must run on untouched.
    seen = await k.pods();
    await sleep(Math.random() * 300);
    await cluster.control.kill9();
  } finally {
    stop.abort();
    await Promise.all(churning);
  }
  const before = lives(seen);
  const uids = new Map(seen.map(p => [p.metadata.name, p.metadata.uid]));
  await cluster.up();

  const there = await refs();
  const lost = [...known].filter(([ref, state]) => state === 'there' && !there.has(ref)).map(([ref]) => ref);
  expect({ afterMs, lost }).toEqual({ afterMs, lost: [] });
  await waitFor(
    'acknowledged deletions to be done',
    async () => {
      const now = await refs();
      return [...known].every(([ref, state]) => state !== 'gone' || !now.has(ref));
    },
    { timeoutMs: 45_000, everyMs: 300 },
  );
  await expectNothingLeftOver();
  const pods = await k.pods();
  const after = lives(pods);
  for (const p of pods) {
    const was = before.get(p.metadata.name);
    if (was !== undefined && uids.get(p.metadata.name) === p.metadata.uid)
      expect({ pod: p.metadata.name, runs: after.get(p.metadata.name) }).toEqual({ pod: p.metadata.name, runs: was });
  }
  expect([...before.keys()].filter(name => name.startsWith('steady-')).every(name => after.has(name))).toBe(true);
  expect(pods.filter(p => p.metadata.name.startsWith('steady-'))).toHaveLength(3);

  const rest = [...(await refs())].filter(ref => !/steady|kube-root-ca/.test(ref));
  if (rest.length > 0) await k.run(['delete', ...rest, '--timeout=60s'], { timeoutMs: 70_000 });
});

test('containerd killed: it is started again, running containers are untouched, new pods start', async () => {
  const before = lives(await k.pods());
  const { containerdPid } = cluster.control;
  await cluster.control.killContainerd();
  await waitFor(
    'another containerd',
    () => cluster.control.containerdPid !== undefined && cluster.control.containerdPid !== containerdPid,
  );
  await k.apply(pod('after', { command: IDLE }));
  await k.waitReady('pod after');
  for (const [name, life] of before) expect({ name, life: lives(await k.pods()).get(name) }).toEqual({ name, life });
  expect(await k.exec('after', 'echo alive')).toBe('alive\n');
  await waitFor('the node to be Ready', async () =>
    /^\S+\s+Ready\s/m.test(await k.run(['get', 'nodes', '--no-headers'])),
  );
  await k.run(['delete', 'pod', 'after', '--timeout=30s']);
});

test('containerd killed while it makes sandboxes leaves no shim that nobody knows', async () => {
  const { control } = cluster;
  await k.apply(deployment('burst', { replicas: 0, command: IDLE }));
  for (let round = 0; round < 3; round++) {
    await k.run(['scale', 'deployment/burst', '--replicas=8']);
    await waitFor('a sandbox to be made', async () => (await k.pods('app=burst')).length > 0, { everyMs: 20 });
    await sleep(300 + Math.random() * 500);
    const { containerdPid } = control;
    await control.killContainerd();
    await waitFor('another', () => control.containerdPid !== undefined && control.containerdPid !== containerdPid);
    await k.run(['scale', 'deployment/burst', '--replicas=0']);
    await k.waitGone('pod -l app=burst');
  }
  const ofPods = (await k.pods()).length;
  const shims = (): number[] =>
    pidsNaming(control.containerdSocket).filter(pid => argvOf(pid)[0]?.includes('containerd-shim') === true);
  // containerd's keeper looks again and again for a minute.
  await waitFor('one shim a pod', () => shims().length === ofPods, { timeoutMs: 80_000 });
  await k.run(['delete', 'deployment', 'burst']);
});

test('both killed at once: pods come back by themselves', async () => {
  await cluster.control.kill9();
  await cluster.control.killContainerd();
  await cluster.up();
  await expectNothingLeftOver();
});

test('the socket of containerd deleted while k8ts is away: containerd is replaced at once, containers are untouched', async () => {
  const before = lives(await k.pods());
  await cluster.control.kill9();
  rmSync(cluster.control.containerdSocket);
  await cluster.up();
  await expectNothingLeftOver();
  expect(lives(await k.pods())).toEqual(before);
});

test('a sandbox whose pause process was killed is made again', async () => {
  const [victim] = await k.pods('app=steady');
  const name = victim?.metadata.name ?? '';
  const list = ['ctr', '-a', cluster.control.containerdSocket, '-n', 'k8s.io', 'tasks', 'list'];
  const sandbox = (
    await run([
      'ctr',
      '-a',
      cluster.control.containerdSocket,
      '-n',
      'k8s.io',
      'containers',
      'list',
      '-q',
      `labels."io.kubernetes.pod.name"==${name},labels."io.cri-containerd.kind"==sandbox`,
    ])
  ).trim();
  const pid = (await run(list))
    .split('\n')
    .find(line => line.startsWith(sandbox))
    ?.split(/\s+/)[1];
  process.kill(Number(pid), 'SIGKILL');
  await k.waitPod(
    name,
    'to run again',
    p => p.status.containerStatuses?.[0]?.restartCount === 1 && p.status.containerStatuses[0].ready,
  );
  await expectNothingLeftOver();
});

test('down stops the pods, up brings them back', async () => {
  expect(await cluster.control.k8ts(['down'])).toContain('k8ts is down');
  expect(cluster.control.containerdPid).toBeUndefined();
  expect(await cluster.control.k8ts(['down'])).toContain('nothing changed');
  await cluster.up();
  await k.run(['rollout', 'status', 'deployment/steady', '--timeout=60s']);
  await expectNothingLeftOver();
});
