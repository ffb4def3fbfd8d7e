/**
 * One bad pod harms itself alone: calls to the container runtime that never answer, each for one pod, while others come, run and go, and
 * the node stays Ready. And at rest the runtime is left alone.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { mkdirSync, statfsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { run } from '../machine/command.ts';
import { HangingRuntime } from '../machine/hanging-runtime.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { startOwnContainerd, type OwnContainerd } from '../machine/own-containerd.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, shell } from './objects.ts';

jest.setTimeout(180_000);

let cluster: Cluster;
let k: Kubectl;
let containerd: OwnContainerd | undefined;
let proxy: HangingRuntime | undefined;
let runtime: HangingRuntime;

beforeAll(async () => {
  cluster = newCluster('isolation');
  await cluster.build();
  const host = cluster.control;
  // A disk of its own for logs, to be filled.
  mkdirSync(host.path('log'));
  await run(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', host.path('log')]);
  containerd = await startOwnContainerd(host);
  runtime = proxy = new HangingRuntime(containerd.socket);
  const socket = host.path('proxy.sock');
  await runtime.listen(socket);
  host.writeConfig({ 'container-runtime-endpoint': `unix://${socket}` });
  await cluster.up();
  k = await cluster.kubectl.newNamespace('isolation');
  await startAndEnd('warm-up');
});
afterAll(async () => {
  proxy?.release();
  await cluster?.control.tryK8ts(['reset', '--yes']);
  proxy?.close();
  containerd?.stop();
  await cluster?.close();
});

/** Creates a pod, waits for Ready, deletes it, waits until it is gone. @returns milliseconds */
async function startAndEnd(name: string): Promise<number> {
  const beganMs = performance.now();
  await k.create(pod(name, { command: IDLE }));
  await k.waitReady(`pod/${name}`);
  await k.run(['delete', 'pod', name]);
  return performance.now() - beganMs;
}

/** What a pod's start and end costs now, the best of three: the machine may be busy with something else. */
async function cost(prefix: string): Promise<number> {
  const all = [];
  for (const i of [1, 2, 3]) all.push(await startAndEnd(`${prefix}-${i}`));
  return Math.min(...all);
}

test('sandboxes that hang, more than are made at once, leave others their speed; an event says what hangs', async () => {
  const usualMs = await cost('before');
  runtime.hang('RunPodSandbox', 'hung-');
  const names = Array.from({ length: 8 }, (_, i) => `hung-${i}`);
  await Promise.all(names.map(name => k.create(pod(name, { command: IDLE }))));
  await waitFor('sandboxes to hang', () => runtime.hanging('RunPodSandbox') === names.length);
  // The gate lends its places for some seconds: that is over once the last one hangs.
  expect((await cost('beside')) / usualMs).toBeLessThan(3);
  const told = await k.waitEvent('hung-0', 'Hanging', /./, { timeoutMs: 60_000 });
  expect(told).toMatch(/^Creating the sandbox has not ended for \d+ s \(since 20.*Z\): the container runtime, or/);
  expect(await k.nodeReady()).toBe('True');
  // Ended although its sandbox call never answered.
  await k.run(['delete', 'pod', ...names.slice(1), '--timeout=20s']);
  runtime.release();
  await k.waitReady('pod/hung-0');
});

test('after kill -9, a container whose status call hangs is neither started twice nor in the way of others', async () => {
  await k.create(pod('unanswered', { command: IDLE }));
  await k.create(pod('answered', { command: IDLE }));
  await k.waitReady('pod/unanswered');
  await k.waitReady('pod/answered');
  const id = async (name: string): Promise<string | undefined> =>
    (await k.pod(name)).status.containerStatuses?.[0]?.containerID?.split('://')[1];
  const [before, other] = [await id('unanswered'), await id('answered')];
  await cluster.control.kill9();
  runtime.hang('ContainerStatus', String(before));
  await cluster.up();
  await waitFor('the status call to hang', () => runtime.hanging('ContainerStatus') > 0);
  await startAndEnd('newcomer');
  expect(await id('answered')).toBe(other);
  expect(await k.nodeReady()).toBe('True');
  const created = runtime.count().get('CreateContainer') ?? 0;
  runtime.release();
  await k.run(['annotate', 'pod', 'unanswered', 'seen=again']);
  await waitFor('the pod to be looked after again', async () => (await k.pod('unanswered')).status.phase === 'Running');
  await sleep(500);
  expect(runtime.count().get('CreateContainer') ?? 0).toBe(created);
  expect(await id('unanswered')).toBe(before);
});

test('a probe whose command hangs fails for its own container alone', async () => {
  const probe = (marker: string) => ({
    container: {
      readinessProbe: { exec: { command: shell(`true ${marker}`) }, periodSeconds: 1, timeoutSeconds: 1 },
    },
  });
  await k.create(pod('probe-hangs', { command: IDLE, ...probe('hangs') }));
  await k.create(pod('probe-answers', { command: IDLE, ...probe('answers') }));
  await k.waitReady('pod/probe-hangs');
  await k.waitReady('pod/probe-answers');
  runtime.hang('ExecSync', 'true hangs');
  const ready = async (name: string): Promise<boolean | undefined> =>
    (await k.pod(name)).status.containerStatuses?.[0]?.ready;
  await waitFor('the hung probe to fail', async () => (await ready('probe-hangs')) === false);
  expect(await ready('probe-answers')).toBe(true);
  runtime.release();
  await waitFor('the probe to pass again', async () => (await ready('probe-hangs')) === true);
});

test('a stop that hangs keeps its own pod alone', async () => {
  await k.create(pod('will-not-stop', { command: IDLE }));
  await k.waitReady('pod/will-not-stop');
  const id = (await k.pod('will-not-stop')).status.containerStatuses?.[0]?.containerID?.split('://')[1];
  runtime.hang('StopContainer', String(id));
  await k.run(['delete', 'pod', 'will-not-stop', '--wait=false']);
  await waitFor('the stop to hang', () => runtime.hanging('StopContainer') > 0);
  await startAndEnd('meanwhile');
  const told = await k.waitEvent('will-not-stop', 'Hanging', /./, { timeoutMs: 60_000 });
  expect(told).toMatch(
    /Stopping container main has not ended for \d+ s \(since .*\): its grace period of 1 s is over .*process \d+ \(.*\) still runs/,
  );
  runtime.release();
  await k.run(['wait', '--for=delete', 'pod/will-not-stop', '--timeout=60s']);
});

test('an image question that hangs keeps its own pod alone', async () => {
  runtime.hang('ImageStatus', 'registry.invalid/asked');
  const asked = pod('asked', { command: IDLE, container: { image: 'registry.invalid/asked:1' } });
  await k.create(asked);
  await waitFor('the question to hang', () => runtime.hanging('ImageStatus') > 0);
  await startAndEnd('unasked');
  await k.run(['delete', 'pod', 'asked', '--timeout=20s']);
  runtime.release();
});

test('a full log disk stops neither pods nor k8ts', async () => {
  const { control } = cluster;
  const { pid } = control;
  await k.create(pod('chatty', { command: shell('while :; do echo a line that fills the disk; done') }));
  const free = () => statfsSync(control.path('log')).bavail;
  await waitFor('the disk to be full', () => free() === 0);
  await startAndEnd('silent');
  expect(await k.nodeReady()).toBe('True');
  expect(control.pid).toBe(pid);
  await k.run(['delete', 'pod', 'chatty']);
  await waitFor('its log to go', () => free() > 0);
  await k.create(pod('heard', { command: shell('echo heard; sleep 1000') }));
  await waitFor('a log that is written again', async () => (await k.run(['logs', 'heard'])).trim() === 'heard');
  await k.run(['delete', 'pod', 'heard', '--grace-period=0', '--force']);
});

test('at rest the runtime hears of the kubelet no more than once every ten seconds a call', async () => {
  await k.run(['delete', 'pods', '--all', '--timeout=60s']);
  await k.create(pod('resting', { command: IDLE }));
  await k.waitReady('pod/resting');
  await sleep(3_000);
  const before = runtime.count();
  const windowMs = 21_000;
  await sleep(windowMs);
  const calls = [...runtime.count()].map(([method, n]) => [method, n - (before.get(method) ?? 0)] as const);
  const tooOften = calls.filter(([, n]) => n > Math.ceil(windowMs / 10_000));
  expect(tooOften).toEqual([]);
});
