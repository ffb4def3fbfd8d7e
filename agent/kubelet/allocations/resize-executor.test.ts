import { describe, expect, test } from '@jest/globals';
import type { Pod, ResourceRequirements } from '../../../proto/api/core-v1.ts';
import type { LinuxContainerResources } from '../../../proto/cri/runtime.gen.ts';
import { resourcesToApply, type AppliedResources } from './plan/applied-resources.ts';
import type { ContainerUpdate } from '../plan/pod-actions.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { ResizeExecutor, type ResizeExecutorOptions } from './resize-executor.ts';

type Asked = Record<string, { cpu: string; memory: string }>;

function pod(asked: Asked): Pod {
  const resources = (limits: ResourceRequirements['limits']): ResourceRequirements => ({ requests: limits, limits });
  return {
    metadata: { uid: 'u' },
    spec: { containers: Object.entries(asked).map(([name, limits]) => ({ name, resources: resources(limits) })) },
  };
}

/** What is done to a pod that has `was` and was allocated `now`, in order. */
interface More {
  readonly uses?: number;
  readonly fails?: boolean;
  readonly restarts?: boolean;
  readonly ownsCpus?: boolean;
}

async function carryOut(was: Asked, now: Asked, more: More = {}) {
  const calls: string[] = [];
  const events: string[] = [];
  const total = (asked: Asked, of: 'cpu' | 'memory'): number =>
    Object.values(asked).reduce((sum, each) => sum + Number.parseInt(each[of], 10), 0);
  const pods = { was: pod(was), now: pod(now) };
  const applied = (one: Pod, name: string): AppliedResources =>
    resourcesToApply(one, one.spec.containers.find(c => c.name === name) ?? { name });
  const updates: ContainerUpdate[] = Object.keys(now).map(name => ({
    container: { id: name, name } as unknown as ContainerView,
    from: applied(pods.was, name),
    to: applied(pods.now, name),
  }));
  let error: string | undefined;
  let resizing: number | undefined = 2;
  const executor = new ResizeExecutor({
    runtime: {
      updateContainerResources: async (id: string, linux: LinuxContainerResources) => {
        calls.push(`${id} ${linux.cpuQuota} ${linux.memoryLimitInBytes}`);
        if (more.fails === true) throw new Error('the runtime refuses');
      },
      containerStats: async () => ({ memory: { usageBytes: { value: BigInt(more.uses ?? 0) } } }),
    },
    ownsCpus: () => more.ownsCpus === true,
    cache: { refreshContainer: async () => undefined, view: () => undefined },
    cgroups: {
      usageOf: async () => ({
        cpuQuotaMicros: total(was, 'cpu') * 100,
        memoryBytes: total(was, 'memory'),
        memoryUsageBytes: more.uses ?? 0,
      }),
      resizePod: async (_: Pod, resource: string) => void calls.push(`pod ${resource}`),
    },
    store: {
      resizing: () => resizing,
      apply: async () => undefined,
      complete: async () => void (resizing = undefined),
    },
    resizer: {
      setError: (_: string, text: string | undefined) => {
        const isNew = error !== text;
        error = text;
        return isNew;
      },
      roomChanged: () => undefined,
    },
    recorder: { event: (_: unknown, __: unknown, reason: string) => void events.push(reason) },
  } as unknown as ResizeExecutorOptions);
  const again = (): Promise<number | undefined> =>
    executor.carryOut(pods.now, updates, more.restarts === true, new AbortController().signal);
  return { retryMs: await again(), calls, events, error: () => error, again };
}

describe('ResizeExecutor', () => {
  test('more: the pod first, memory before processors', async () => {
    const { calls, events } = await carryOut(
      { a: { cpu: '100m', memory: '100' } },
      { a: { cpu: '200m', memory: '200' } },
    );
    expect(calls).toEqual(['pod memory', 'a 10000 200', 'pod cpu', 'a 20000 200']);
    expect(events).toEqual(['ResizeCompleted']);
  });

  test('memory of a container with processors to itself brings it no quota', async () => {
    const { calls } = await carryOut(
      { a: { cpu: '1000m', memory: '100' } },
      { a: { cpu: '1000m', memory: '200' } },
      { ownsCpus: true },
    );
    expect(calls).toEqual(['pod memory', 'a -1 200']);
  });

  test('less: the pod last', async () => {
    const { calls } = await carryOut({ a: { cpu: '200m', memory: '200' } }, { a: { cpu: '100m', memory: '100' } });
    expect(calls).toEqual(['a 20000 100', 'pod memory', 'a 10000 100', 'pod cpu']);
  });

  test('from one container to another: first what becomes less', async () => {
    const { calls } = await carryOut(
      { a: { cpu: '100m', memory: '100' }, b: { cpu: '200m', memory: '200' } },
      { a: { cpu: '200m', memory: '200' }, b: { cpu: '100m', memory: '100' } },
    );
    expect(calls).toEqual(['b 20000 100', 'a 10000 200', 'b 10000 100', 'a 20000 200', 'pod cpu']);
  });

  test('memory that is in use stays; that is told once, and tried again', async () => {
    const { retryMs, calls, events, error, again } = await carryOut(
      { a: { cpu: '100m', memory: '200' } },
      { a: { cpu: '100m', memory: '100' } },
      { uses: 150 },
    );
    expect(calls).toEqual([]);
    expect(error()).toBe(
      '[attempting to set pod memory limit (100) below current usage (150), attempting to set container "a" memory limit (100) below current usage (150)]',
    );
    expect(retryMs).toBeGreaterThan(0);
    await again();
    expect(events).toEqual(['ResizeError']);
  });

  test('a runtime that refuses: the error is told', async () => {
    const { events, error } = await carryOut(
      { a: { cpu: '100m', memory: '100' } },
      { a: { cpu: '100m', memory: '200' } },
      { fails: true },
    );
    expect([events, error()]).toEqual([['ResizeError'], 'the runtime refuses']);
  });

  test('while a container is restarted for it, the pod is given more but nothing is taken, and it is not complete', async () => {
    const more = await carryOut(
      { a: { cpu: '100m', memory: '100' } },
      { a: { cpu: '100m', memory: '200' } },
      { restarts: true },
    );
    expect([more.calls[0], more.events]).toEqual(['pod memory', []]);
    const less = await carryOut(
      { a: { cpu: '100m', memory: '200' } },
      { a: { cpu: '100m', memory: '100' } },
      { restarts: true },
    );
    expect(less.calls).not.toContain('pod memory');
  });
});
