import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { withDefaults, type ConfigurationFile } from '../config/plan/kubelet-configuration.ts';
import { podsByStep, shutdownSteps } from './plan/shutdown-order.ts';
import { GracefulShutdown } from './graceful-shutdown.ts';

const pod = (name: string, priority?: number): Pod => ({
  metadata: { name, namespace: 'n', uid: name },
  spec: { containers: [], priority },
});

test.each<[ConfigurationFile, number[][]]>([
  [{}, []],
  [
    { shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' },
    [
      [0, 20],
      [2_000_000_000, 10],
    ],
  ],
  [
    {
      shutdownGracePeriodByPodPriority: [
        { priority: 100, shutdownGracePeriodSeconds: 5 },
        { priority: -10, shutdownGracePeriodSeconds: 7 },
      ],
    },
    [
      [-10, 7],
      [100, 5],
    ],
  ],
])('shutdownSteps() of %j', (file, want) => {
  expect(shutdownSteps(withDefaults(file)).map(step => [step.priority, step.graceSeconds])).toEqual(want);
});

test('podsByStep() puts a pod to the highest priority that it reaches', () => {
  const steps = [0, 100, 1000].map(priority => ({ priority, graceSeconds: 1 }));
  const groups = podsByStep(steps, [pod('none'), pod('low', -5), pod('edge', 100), pod('mid', 999), pod('top', 5000)]);
  expect(groups.map(group => group.map(p => p.metadata.name))).toEqual([['none', 'low'], ['edge', 'mid'], ['top']]);
});

function setup(file: ConfigurationFile, pods: readonly Pod[], delayMs = 5_000) {
  const clock = new FakeClock();
  const said: string[] = [];
  const ended = new Set<string>();
  let tell: (isShuttingDown: boolean) => void = () => undefined;
  let longestMs = delayMs;
  const shutdown = new GracefulShutdown({
    configuration: withDefaults(file),
    nodeName: 'a',
    logind: {
      longestDelayMs: () => Promise.resolve(longestMs),
      setLongestDelay: ms => {
        said.push(`delay ${ms}`);
        longestMs = ms;
        return Promise.resolve();
      },
      lock: () => {
        said.push('lock');
        return { release: () => said.push('release') };
      },
      watch: (onShutdown, signal) => {
        tell = onShutdown;
        return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    },
    pods: {
      active: () => pods,
      end: (uid, { graceSeconds }) => said.push(`end ${uid} ${graceSeconds}`),
      hasEnded: uid => ended.has(uid),
    },
    unwritten: () => 0,
    onChange: () => said.push('changed'),
    recorder: { event: (_subject, _type, reason, message) => said.push(`${reason}: ${message}`) },
    clock,
    logger: silentLogger,
  });
  const abort = new AbortController();
  const running = shutdown.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };
  return { shutdown, clock, said, ended, stop, tell: (is: boolean) => tell(is) };
}

const PERIODS = { shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' };

test('GracefulShutdown ends pods by priority, waits for each step, and lets the machine go', async () => {
  const { shutdown, clock, said, ended, stop, tell } = setup(PERIODS, [pod('a'), pod('c', 2_000_000_000)]);
  await clock.advance(0);
  expect(said.splice(0)).toEqual(['delay 30000', 'lock']);
  expect(shutdown.admit()).toBeUndefined();
  tell(true);
  await clock.advance(100);
  expect(said.splice(0)).toEqual(['Shutdown: Shutdown manager detected shutdown event', 'changed', 'end a 20']);
  expect(shutdown.problems()).toEqual(['node is shutting down']);
  expect(shutdown.admit()?.reason).toBe('NodeShutdown');
  ended.add('a');
  await clock.advance(100);
  expect(said.splice(0)).toEqual(['end c 10']);
  // It takes longer than its time.
  await clock.advance(9_000);
  expect(said).toEqual([]);
  await clock.advance(1_100);
  expect(said.splice(0)).toEqual(['release']);
  tell(false);
  expect(said).toEqual(['Shutdown: Shutdown manager detected shutdown cancellation', 'changed', 'lock']);
  expect(shutdown.problems()).toEqual([]);
  await stop();
});

test('GracefulShutdown without periods asks nobody', async () => {
  const { said, stop } = setup({}, [pod('a')]);
  await stop();
  expect(said).toEqual([]);
});
