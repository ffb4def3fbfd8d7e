import { expect, test } from '@jest/globals';
import { parseCpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { FakeClock } from '../../../../machinery/process/clock.ts';
import { silentLogger } from '../../../../machinery/process/logger.ts';
import type { PodView } from '../../plan/pod-view.ts';
import { RuntimeError } from '../../runtime/runtime-error.ts';
import type { RuntimeService } from '../../runtime/runtime-service.ts';
import { CpusetKeeper } from './cpuset-keeper.ts';

function setup(cpus: Record<string, string>) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const failing = new Set<string>();
  const views: PodView[] = [];
  const keeper = new CpusetKeeper({
    runtime: {
      updateContainerResources: async (id: string, { cpusetCpus = '' }) => {
        calls.push(`${id} ${cpusetCpus}`);
        if (failing.has(id)) throw new RuntimeError('Internal', 'UpdateContainerResources', 'busy', 1);
      },
    } as unknown as RuntimeService,
    views: () => views,
    cpusOf: (_, container) => parseCpuSet(cpus[container] ?? ''),
    clock,
    logger: silentLogger,
    retryMs: 10_000,
  });
  const run = (id: string, name: string, state = 'running'): void => {
    views.push({ uid: 'u', containers: [{ id, name, state }] } as unknown as PodView);
  };
  const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
  return { keeper, clock, calls, failing, run, settle, cpus };
}

test('running containers are told once what they are to run on, and again when that changes', async () => {
  const { keeper, calls, run, settle, cpus } = setup({ a: '0-1', b: '0-1' });
  run('1', 'a');
  run('2', 'b', 'exited');
  keeper.update();
  keeper.update();
  await settle();
  keeper.update();
  await settle();
  cpus['a'] = '0';
  keeper.update();
  await settle();
  expect(calls).toEqual(['1 0-1', '1 0']);
});

test('who was made with the right ones is not told', async () => {
  const { keeper, calls, run, settle, cpus } = setup({ a: '0-1' });
  keeper.made('u', 'a', '0-1');
  run('1', 'a');
  keeper.update();
  await settle();
  expect(calls).toEqual([]);
  cpus['a'] = '1';
  keeper.update();
  await settle();
  expect(calls).toEqual(['1 1']);
});

test('a container that does not follow is told again later, and keeps nobody else', async () => {
  const { keeper, clock, calls, failing, run, settle } = setup({ a: '0', b: '0' });
  run('1', 'a');
  run('2', 'b');
  failing.add('1');
  keeper.update();
  await settle();
  expect(calls).toEqual(['1 0', '2 0']);
  failing.clear();
  await clock.advance(10_000);
  await settle();
  expect(calls).toEqual(['1 0', '2 0', '1 0']);
});
