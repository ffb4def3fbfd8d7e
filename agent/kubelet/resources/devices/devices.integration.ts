/** The device manager and a plugin, over gRPC on real sockets. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock, systemClock, type Clock } from '../../../../machinery/process/clock.ts';
import { silentLogger } from '../../../../machinery/process/logger.ts';
import { TestPlugin } from '../../runtime/testdata/device-plugin.ts';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { MetricsRegistry } from '../../../../machinery/process/metrics.ts';
import { ResourceMetrics } from '../resource-metrics.ts';
import { DeviceManager } from './device-manager.ts';
import { serveRegistration } from './registration-server.ts';

const GPU = 'example.com/gpu';
const { nodes } = machineOf({ sockets: 1, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
const container = containerOf('x', { [GPU]: '1' });
const never = new AbortController().signal;

let folder: string;
let stop: AbortController;
let plugin: TestPlugin;
const woken: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8ts-dev-'));
  stop = new AbortController();
  woken.length = 0;
});
afterEach(async () => {
  plugin.stop();
  stop.abort();
  // A checkpoint may just be being written.
  await rm(folder, { recursive: true, maxRetries: 10 });
});

async function startManager(clock: Clock = systemClock): Promise<DeviceManager> {
  const manager = new DeviceManager({
    checkpointPath: join(folder, 'kubelet_internal_checkpoint'),
    clock,
    logger: silentLogger,
    stages: { watch: (_, act) => act() },
    metrics: new ResourceMetrics(new MetricsRegistry()),
    machine: () => nodes,
    onAmounts: () => undefined,
    wake: uid => void woken.push(uid),
  });
  await manager.restore();
  const { registry } = manager;
  await serveRegistration(folder, one => registry.connect(one.resource, one.socketPath, one.options), stop.signal);
  stop.signal.addEventListener('abort', () => registry.stop());
  return manager;
}

async function startPlugin(name = 'gpu.sock'): Promise<void> {
  const healthy = ['a', 'b'].map(ID => ({ ID, health: 'Healthy' }));
  plugin = new TestPlugin(folder, name, [...healthy, { ID: 'c', health: 'Unhealthy' }]);
  await plugin.serve();
}

async function until(look: () => boolean): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!look()) {
    if (performance.now() > untilMs) throw new Error('it did not come to be');
    await systemClock.sleep(5);
  }
}
const has = (manager: DeviceManager, allocatable: string) => () =>
  manager.registry.amounts().allocatable[GPU] === allocatable;

test('a plugin registers, its devices count, and containers get what it answers', async () => {
  const manager = await startManager();
  await startPlugin();
  await expect(plugin.register(GPU, 'v1alpha')).rejects.toThrow(
    'requested API version "v1alpha" is not supported by kubelet. Supported version is "v1beta1"',
  );
  await expect(plugin.register('gpu')).rejects.toThrow('the ResourceName "gpu" is invalid');
  await plugin.register(GPU);
  await until(has(manager, '2'));
  expect(manager.registry.amounts().capacity).toEqual({ [GPU]: '3' });
  const pod = podOf('u', [container]);
  await manager.give(pod, container, undefined, never);
  await manager.give(pod, container, undefined, never);
  expect(plugin.asked).toEqual(['a']);
  expect([...(await manager.extras(pod, container, never)).env]).toEqual([['IDS', 'a']]);
  expect(manager.statusOf('u', 'x')).toEqual([{ name: GPU, resources: [{ resourceID: 'a', health: 'Healthy' }] }]);
  expect((await manager.extras(podOf('v', [containerOf('y', {})]), containerOf('y', {}), never)).env.size).toBe(0);
});

test('a plugin that was found by its socket is asked what it can, and goes when it says so', async () => {
  const manager = await startManager();
  await startPlugin();
  manager.registry.connect(GPU, plugin.socketPath, undefined);
  await until(has(manager, '2'));
  manager.registry.disconnect(GPU, join(folder, 'another.sock'));
  expect(has(manager, '2')()).toBe(true);
  manager.registry.disconnect(GPU, plugin.socketPath);
  await until(has(manager, '0'));
  expect(manager.registry.amounts().capacity).toEqual({ [GPU]: '3' });
});

test('a plugin that sends its list without end is heard now and then', async () => {
  const clock = new FakeClock();
  const manager = await startManager(clock);
  await startPlugin();
  plugin.isEndless = true;
  await plugin.register(GPU);
  await until(has(manager, '2'));
  // Each takes a while, in which lists come.
  for (const uid of ['one', 'two']) await manager.give(podOf(uid, [container]), container, undefined, never);
  expect(woken).toEqual([]);
  await clock.advance(100);
  await until(() => woken.length > 0);
  await manager.give(podOf('one', [container]), container, undefined, never);
  expect(woken).toEqual(['one', 'two']);
  expect(plugin.sent).toBeGreaterThan(2);
});

test("while a plugin thinks, its devices are nobody else's; who gives up leaves them free", async () => {
  const manager = await startManager();
  await startPlugin();
  await plugin.register(GPU);
  await until(has(manager, '2'));
  let open = (): void => undefined;
  plugin.gate = new Promise(resolve => (open = resolve));
  const abort = new AbortController();
  const first = manager.give(podOf('one', [container]), container, undefined, abort.signal);
  const second = manager.give(podOf('two', [container]), container, undefined, never);
  await until(() => plugin.asked.length === 2);
  expect([...plugin.asked].sort()).toEqual(['a', 'b']);
  const third = (): Promise<void> => manager.give(podOf('three', [container]), container, undefined, never);
  await expect(third()).rejects.toThrow(
    'requested number of devices unavailable for example.com/gpu. Requested: 1, Available: 0',
  );
  abort.abort(new Error('the pod is to end'));
  await expect(first).rejects.toThrow('the pod is to end');
  open();
  await second;
  await third();
  expect([...manager.holders()].sort()).toEqual(['three', 'two']);
});

test('after a restart everybody has what he had; new pods wait for the plugin', async () => {
  const before = await startManager();
  await startPlugin();
  await plugin.register(GPU);
  await until(has(before, '2'));
  await before.give(podOf('old', [container]), container, undefined, never);
  stop.abort();
  plugin.stop();
  stop = new AbortController();
  const manager = await startManager();
  expect(manager.registry.amounts()).toEqual({ capacity: { [GPU]: '0' }, allocatable: { [GPU]: '0' } });
  const waiting = manager.give(podOf('new', [container]), container, undefined, never);
  await startPlugin('again.sock');
  await plugin.register(GPU);
  await waiting;
  expect(plugin.asked).toEqual(['b']);
  expect([...(await manager.extras(podOf('old', [container]), container, never)).env]).toEqual([['IDS', 'a']]);
  plugin.stop();
  await until(has(manager, '0'));
  expect(woken).toContain('old');
  expect(manager.statusOf('old', 'x')[0]?.resources).toEqual([{ resourceID: 'a', health: 'Unknown' }]);
  await expect(manager.give(podOf('late', [container]), container, undefined, never)).rejects.toThrow(
    'no healthy devices present; cannot allocate unhealthy devices example.com/gpu',
  );
  manager.release('old');
  expect([...manager.holders()]).toEqual(['new']);
});
