import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { ContainerKiller, type ContainerKillerOptions } from './container-killer.ts';
import { newRecord } from './pod-record.ts';
import { PodTerminator, type PodTerminatorOptions } from './pod-terminator.ts';

const preStop = { exec: { command: ['bye'] } };

/** A pod of two sidecars and two main containers, each of which ends `takesMs` after it was told to. */
function setup(takesMs: Record<string, number>, hookMs: Record<string, number> = {}) {
  const clock = new FakeClock(0);
  const calls: string[] = [];
  const names = ['first', 'second', 'main', 'other'];
  const views = names.map(
    name => ({ id: name, name, state: 'running', annotations: {}, attempt: 0 }) as unknown as ContainerView,
  );
  const say = (text: string): void => void calls.push(`${clock.monotonicMs() / 1000}s ${text}`);
  const cache = {
    settled: () => Promise.resolve(),
    view: () => ({ containers: views, sandboxes: [] }),
    during: (_id: string, _act: string, act: () => Promise<unknown>) => act(),
    refreshContainer: () => Promise.resolve(),
  };
  const options = {
    cache,
    clock,
    logger: silentLogger,
    recorder: { event: () => undefined },
    stages: { watch: (_: unknown, act: () => Promise<unknown>) => act() },
    processesOf: () => Promise.resolve(''),
    stopSignals: { stop: () => Promise.resolve(false) },
    hooks: {
      run: async (_handler: unknown, { name }: { name: string }) => {
        say(`preStop ${name}`);
        await clock.sleep(hookMs[name] ?? 0);
      },
    },
    runtime: {
      stopContainer: async (id: string, seconds: number) => {
        say(`stop ${id} ${seconds}`);
        await clock.sleep(Math.min(takesMs[id] ?? 0, seconds * 1000));
      },
    },
  } as unknown as ContainerKillerOptions;
  const killer = new ContainerKiller(options);
  const terminator = new PodTerminator({ ...options, killer } as unknown as PodTerminatorOptions);
  const container = (name: string): object => ({ name, lifecycle: hookMs[name] === undefined ? {} : { preStop } });
  const pod = {
    metadata: { uid: 'u' },
    spec: {
      initContainers: ['first', 'second'].map(name => ({ ...container(name), restartPolicy: 'Always' })),
      containers: ['main', 'other'].map(container),
    },
  } as unknown as Pod;
  const stop = async (graceSeconds: number): Promise<string[]> => {
    const stopping = terminator.stop(newRecord('u', pod), graceSeconds, new AbortController().signal);
    for (let ms = 0; ms < 60_000; ms += 500) await clock.advance(500);
    await stopping;
    return calls;
  };
  return { stop, killer, clock, calls, views, pod };
}

test('sidecars are stopped in reverse order once the others have ended, with what is left of the grace period', async () => {
  const { stop } = setup({ main: 3_000, other: 1_000, second: 2_000 });
  expect(await stop(30)).toEqual(['0s stop main 30', '0s stop other 30', '3s stop second 27', '5s stop first 25']);
});

test('their preStop hooks run with those of the others', async () => {
  const { stop } = setup({ main: 1_000 }, { first: 2_000, main: 1_000 });
  const calls = await stop(30);
  expect(calls.slice(0, 3)).toEqual(['0s preStop main', '0s preStop first', '0s stop other 30']);
  expect(calls.slice(3)).toEqual(['1s stop main 29', '2s stop second 28', '2s stop first 28']);
});

test('a sidecar does not wait longer than its grace period, and always gets two seconds', async () => {
  const { stop } = setup({ main: 10_000 });
  expect(await stop(5)).toEqual(['0s stop main 5', '0s stop other 5', '5s stop second 2', '5s stop first 2']);
});

test('who does not end by the signal that the pod names is killed', async () => {
  const { killer, views, calls, clock } = setup({});
  const options = (killer as unknown as { options: { stopSignals: object } }).options;
  Object.assign(options.stopSignals, {
    stop: (_: unknown, seconds: number) => clock.sleep(seconds * 1000).then(() => true),
  });
  const view = { ...views[2], annotations: { [CRI_KEYS.stopSignal]: 'SIGUSR1' } } as ContainerView;
  const input = { view, spec: undefined, podIP: '', graceSeconds: 3, message: '', subject: {} as never };
  const killing = killer.kill(input, new AbortController().signal);
  await clock.advance(3_000);
  await killing;
  expect(calls).toEqual(['3s stop main 0']);
});
