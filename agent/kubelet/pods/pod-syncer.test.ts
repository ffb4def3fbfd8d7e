import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { ImageState } from '../images/image-manager.ts';
import { containerHash } from '../plan/container-hash.ts';
import type { ProbeFailure } from '../plan/pod-actions.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import { DEFAULT_RESTART_BACKOFF } from '../plan/restart.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import { VolumeError } from '../volumes/volume-manager.ts';
import { StartError } from './container-starter.ts';
import { newRecord } from './pod-record.ts';
import { PodSyncer, type PodSyncerOptions } from './pod-syncer.ts';

const sandbox = { id: 's1', attempt: 0, ready: true, createdAtMs: 1, ips: ['10.0.0.9'] };
const present: ImageState = { kind: 'present', image: {} as never, name: 'i', isFresh: false };

/** A node on which everything works, but for what `fail` (by call) and `images` (by container) say. */
function setup(containers: Partial<Container>[], setting: { running?: string[]; restartPolicy?: string } = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const events: string[] = [];
  const fail = new Map<string, Error>();
  const images = new Map<string, ImageState>();
  const failures = new Map<string, ProbeFailure>();
  const kills: (() => void)[] = [];
  let waking = 0;
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'ns', uid: 'u' },
    spec: {
      containers: containers.map((container, i) => ({ name: `c${i}`, image: 'i', ...container })),
      restartPolicy: setting.restartPolicy ?? 'Always',
    },
  };
  const viewOf = (name: string, state: ContainerView['state'], exitCode = 0) => {
    const spec = pod.spec.containers.find(c => c.name === name) as Container;
    const times = { createdAtMs: 1, startedAtMs: clock.now(), finishedAtMs: clock.now() };
    const common = { sandboxId: 's1', attempt: 0, hash: containerHash(spec), annotations: {}, exitCode };
    return { id: `id-${name}`, name, state, ...times, ...common } as unknown as ContainerView;
  };
  let view: PodView | undefined;
  const hold = (list: ContainerView[]): void => {
    view = { uid: 'u', namespace: 'ns', name: 'p', sandboxes: [sandbox], containers: list };
  };
  if (setting.running !== undefined) hold(setting.running.map(name => viewOf(name, 'running')));
  const call = async <T>(name: string, result: T): Promise<T> => {
    calls.push(name);
    const error = fail.get(name);
    if (error !== undefined) throw error;
    return result;
  };
  const refused: string[] = [];
  const syncer = new PodSyncer({
    runtime: { stopPodSandbox: (id: string) => call(`stopSandbox ${id}`, undefined) },
    cache: {
      view: () => view,
      views: () => (view === undefined ? [] : [view]),
      container: (id: string) => view?.containers.find(c => c.id === id) ?? viewOf('c0', 'running'),
      during: (_id: string, _kind: string, act: () => Promise<unknown>) => act(),
      sandboxStopped: () => undefined,
      settled: () => Promise.resolve(),
    },
    volumes: { prepare: () => call('volumes', new Map()) },
    images: {
      ensure: async (_: Pod, container: Container) => images.get(container.name) ?? present,
      use: () => undefined,
    },
    sandboxes: {
      start: () => call('sandbox', { view: sandbox, config: {} }),
      configFor: async () => ({}),
    },
    containers: {
      start: (input: { start: { container: Container } }) =>
        call(`start ${input.start.container.name}`, `id-${input.start.container.name}`),
    },
    killer: {
      kill: ({ view: { id }, graceSeconds }: { view: ContainerView; graceSeconds: number }) => {
        calls.push(`kill ${id} ${graceSeconds}`);
        return new Promise<void>(resolve => kills.push(resolve));
      },
    },
    allocations: { appliedTo: () => undefined, store: { resizing: () => undefined } },
    hooks: { run: () => call('hook', undefined) },
    prober: {
      sync: () => undefined,
      failures: () => failures,
      answers: () => ({ ready: true, started: true }),
    },
    publisher: {
      publish: (_: unknown, { urgent }: { urgent: boolean }) => void calls.push(urgent ? 'tell now' : 'tell'),
    },
    recorder: {
      event: (_: unknown, type: string, reason: string, m: string) => void events.push(`${type} ${reason}: ${m}`),
    },
    work: { containerFailed: (role: string, reason: string) => void refused.push(`${role} ${reason}`) },
    clock,
    logger: silentLogger,
    backoff: DEFAULT_RESTART_BACKOFF,
    wake: () => waking++,
  } as unknown as PodSyncerOptions);
  const record = newRecord('u', pod);
  const sync = () => syncer.sync(record, new AbortController().signal);
  return {
    syncer,
    record,
    sync,
    calls,
    events,
    refused,
    fail,
    images,
    failures,
    kills,
    clock,
    hold,
    viewOf,
    woken: () => waking,
  };
}

describe('PodSyncer.sync()', () => {
  test('makes volumes and sandbox, then containers in order, and tells at once', async () => {
    const { sync, calls, syncer } = setup([{}, {}]);
    expect(await sync()).toBe('awaitChange');
    expect(calls).toEqual(['tell', 'volumes', 'sandbox', 'start c0', 'start c1', 'tell now']);
    expect(syncer.starting).toBe(0);
  });

  test('does nothing but tell when all runs', async () => {
    const { sync, calls } = setup([{}], { running: ['c0'] });
    expect(await sync()).toBe('awaitChange');
    expect(calls).toEqual(['tell now']);
  });

  test('a container whose image is pulled or missing delays no other', async () => {
    const { sync, calls, images, record, clock } = setup([{}, {}, {}]);
    images.set('c0', { kind: 'pulling' });
    images.set('c1', { kind: 'waiting', reason: 'ErrImagePull', message: 'no', retryAtMs: clock.now() + 4_000 });
    expect(await sync()).toEqual({ afterMs: 4_000 });
    expect(calls).toContain('start c2');
    expect([...record.waiting]).toEqual([['c1', { reason: 'ErrImagePull', message: 'no' }]]);
  });

  test('a container that cannot be configured keeps its reason, and the others start', async () => {
    const { refused, sync, calls, fail, record } = setup([{}, {}]);
    fail.set('start c0', new StartError('CreateContainerConfigError', 'secret "x" not found'));
    expect(await sync()).toEqual({ afterMs: 1_000 });
    expect(calls).toContain('start c1');
    expect(record.waiting.get('c0')?.reason).toBe('CreateContainerConfigError');
    expect(refused).toEqual(['main CreateContainerConfigError']);
  });

  test('a sandbox that fails is told and tried again, ever later; what the runtime has is then uncertain', async () => {
    const { sync, fail, events, record, calls } = setup([{}]);
    fail.set('sandbox', new RuntimeError('Unknown', 'RunPodSandbox', 'no address left', 1));
    expect(await sync()).toEqual({ afterMs: 1_000 });
    expect(await sync()).toEqual({ afterMs: 2_000 });
    expect(events[0]).toBe('Warning FailedCreatePodSandBox: Failed to create pod sandbox: no address left');
    expect(record.uncertain).toBe(true);
    expect(calls).not.toContain('start c0');
  });

  test('a volume that fails is told by its own reason', async () => {
    const { sync, fail, events } = setup([{}]);
    fail.set('volumes', new VolumeError('v', 'configmap "x" not found'));
    expect(await sync()).toEqual({ afterMs: 1_000 });
    expect(events).toEqual(['Warning FailedMount: configmap "x" not found']);
  });

  test('a runtime that is away is waited for without noise', async () => {
    const { sync, fail, events } = setup([{}]);
    fail.set('sandbox', new RuntimeError('Unavailable', 'RunPodSandbox', 'away', 1));
    expect(await sync()).toEqual({ afterMs: 1_000 });
    expect(await sync()).toEqual({ afterMs: 1_000 });
    expect(events).toEqual([]);
  });

  test('a failed postStart hook ends its container', async () => {
    const lifecycle = { postStart: { exec: { command: ['false'] } } };
    const { sync, fail, kills, events, record, calls } = setup([{ lifecycle }]);
    fail.set('hook', new Error('exit 1'));
    const done = sync();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(calls).toContain('kill id-c0 30');
    kills[0]?.();
    await done;
    expect(events).toEqual(['Warning FailedPostStartHook: PostStartHook failed: exit 1']);
    expect(record.waiting.get('c0')?.reason).toBe('PostStartHookError');
  });

  test('a failed liveness probe kills once, in the background, and its end wakes the pod', async () => {
    const { sync, failures, calls, kills, woken, clock } = setup([{}], { running: ['c0'] });
    failures.set('id-c0', { probe: 'liveness', message: 'no', graceSeconds: 7 });
    await sync();
    await sync();
    // What comes of the kill is told soon enough: one write, not two.
    expect(calls).toEqual(['tell', 'kill id-c0 7', 'tell']);
    kills[0]?.();
    await clock.advance(0);
    expect(woken()).toBe(1);
  });

  test('a crash is restarted after its back-off, which is told', async () => {
    const { sync, hold, viewOf, clock, events, record } = setup([{}], { running: ['c0'] });
    const crashed = {
      ...viewOf('c0', 'exited', 1),
      attempt: 3,
      annotations: { 'k8ts.io/restart-backoff-ms': '20000' },
    };
    hold([crashed]);
    const result = await sync();
    if (result === 'awaitChange') throw new Error('no back-off');
    expect(result.afterMs).toBeGreaterThan(0);
    expect(record.waiting.get('c0')?.reason).toBe('CrashLoopBackOff');
    expect(events[0]).toContain('BackOff: Back-off restarting failed container c0 in pod p_ns(u)');
    expect(clock.pending).toBe(0);
  });

  test('a pod whose containers all ended for good is complete', async () => {
    const { sync, hold, viewOf, record, calls } = setup([{}], { restartPolicy: 'Never', running: ['c0'] });
    hold([viewOf('c0', 'exited')]);
    await sync();
    expect(record.completed).toBe(true);
    expect(calls).toEqual([]);
  });
});
