import { afterEach, describe, expect, test } from '@jest/globals';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ReconcileResult } from '../../../machinery/client/reconcile.ts';
import type { AdmissionVerdict } from '../plan/node-admission.ts';
import type { PodView } from '../plan/pod-view.ts';
import type { PodRecord } from './pod-record.ts';
import { PodWorkers, type PodWorkersOptions } from './pod-workers.ts';

interface Hung {
  readonly signal: AbortSignal;
  end(): void;
}

/** Workers over parts that only say what is asked of them; `hang` names the calls that do not end by themselves. */
interface Setting {
  admit?: (pod: Pod, others: readonly Pod[]) => AdmissionVerdict | undefined;
  refreshNode?: () => Promise<void>;
  readonly give?: PodWorkersOptions['resources']['admit'];
}

function setup(setting: Setting = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const hang = new Set<string>();
  const hung = new Map<string, Hung>();
  const views = new Map<string, PodView>();
  const known = new Map<string, { startTime: string }>();
  let onChange: (uid: string) => void = () => undefined;
  let starting = 0;
  let syncResult: ReconcileResult = 'awaitChange';
  let completes = false;

  const call = async (name: string, signal: AbortSignal): Promise<void> => {
    calls.push(name);
    if (!hang.has(name)) return;
    await new Promise<void>((resolve, reject) => {
      hung.set(name, { signal, end: resolve });
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  };
  const grace = (record: PodRecord): number =>
    record.pod.metadata.deletionGracePeriodSeconds ?? record.pod.spec.terminationGracePeriodSeconds ?? 30;
  const queue = new WorkQueue<string>({ clock, baseDelayMs: 500, maxDelayMs: 20_000 });
  const workers = new PodWorkers({
    cache: {
      view: (uid: string) => views.get(uid),
      views: () => [...views.values()],
      onChange: (listener: (uid: string) => void) => (onChange = listener),
    },
    syncer: {
      get starting() {
        return starting;
      },
      sync: async (record: PodRecord, signal: AbortSignal) => {
        await call(`sync ${record.uid}`, signal);
        record.completed = completes;
        return syncResult;
      },
    },
    terminator: {
      graceOf: grace,
      stop: (record: PodRecord, seconds: number, signal: AbortSignal) => call(`stop ${record.uid} ${seconds}`, signal),
      release: (record: PodRecord, signal: AbortSignal) => call(`release ${record.uid}`, signal),
      remove: (record: PodRecord, signal: AbortSignal) => call(`remove ${record.uid}`, signal),
    },
    status: {
      podSeen: () => undefined,
      forget: () => undefined,
      finish: (uid: string) => void calls.push(`finish ${uid}`),
      current: (pod: Pod) => known.get(pod.metadata.uid ?? ''),
    },
    publisher: {
      publish: (record: PodRecord, { final = false }) =>
        void calls.push(`publish ${record.verdict?.reason ?? (final ? 'final' : '')}`),
    },
    prober: { remove: () => undefined, stopping: () => undefined },
    images: { forget: () => undefined },
    allocations: {
      store: { podOf: (pod: Pod) => pod, admit: () => Promise.resolve() },
      resizer: { consider: (pod: Pod) => pod, roomChanged: () => undefined, forget: () => Promise.resolve() },
    },
    recorder: { event: () => undefined },
    work: { preempted: (resource: string) => void calls.push(`preempted for ${resource}`) },
    queue,
    clock,
    logger: silentLogger,
    admit: setting.admit ?? (() => undefined),
    resources: { admit: setting.give ?? (() => Promise.resolve(undefined)), release: () => undefined },
    refreshNode: setting.refreshNode ?? (() => Promise.resolve()),
    podChanged: () => undefined,
    podRemoved: () => undefined,
  } as unknown as PodWorkersOptions);
  const abort = new AbortController();
  const running = workers.run(abort.signal);
  stops.push(async () => {
    abort.abort();
    await running;
  });
  return {
    workers,
    clock,
    calls,
    hang,
    hung,
    views,
    known,
    changed: (uid: string) => onChange(uid),
    setStarting: (n: number) => (starting = n),
    setSync: (result: ReconcileResult) => (syncResult = result),
    complete: () => (completes = true),
  };
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const runs = (uid: string): PodView =>
  ({ uid, namespace: 'ns', name: 'p', containers: [{ state: 'running' }], sandboxes: [] }) as unknown as PodView;

function pod(uid: string, metadata: Partial<Pod['metadata']> = {}, spec: Partial<Pod['spec']> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'ns', uid, generation: 1, ...metadata },
    spec: { containers: [{ name: 'c' }], ...spec },
  };
}
const deleted = (uid: string, seconds: number): Pod =>
  pod(uid, { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: seconds, generation: 2 });

describe('PodWorkers', () => {
  test('one pod that hangs delays no other', async () => {
    const { workers, clock, calls, hang } = setup();
    hang.add('sync a');
    workers.updatePod(pod('a'));
    workers.updatePod(pod('b'));
    await clock.advance(0);
    expect(calls).toEqual(['sync a', 'sync b']);
  });

  test('a write of our own status asks for nothing; a change of the runtime does', async () => {
    const { workers, clock, calls, changed } = setup();
    workers.updatePod(pod('a'));
    await clock.advance(0);
    workers.updatePod({ ...pod('a'), status: { phase: 'Running' } });
    await clock.advance(0);
    expect(calls).toEqual(['sync a']);
    changed('a');
    changed('stranger');
    await clock.advance(0);
    expect(calls).toEqual(['sync a', 'sync a']);
  });

  test('what probes say of a pod that is being stopped is told while it is', async () => {
    const { workers, clock, calls, hang, views } = setup();
    views.set('a', runs('a'));
    workers.updatePod(pod('a'));
    await clock.advance(0);
    workers.probed('a');
    await clock.advance(0);
    expect(calls).toEqual(['sync a', 'sync a']);
    hang.add('stop a 5');
    workers.updatePod(deleted('a', 5));
    await clock.advance(0);
    workers.probed('a');
    expect(calls.slice(2)).toEqual(['stop a 5', 'publish ']);
  });

  test('a deletion ends the run under way, stops, releases and waits for the API to forget', async () => {
    const { workers, clock, calls, hang, views } = setup();
    hang.add('sync a');
    workers.updatePod(pod('a'));
    await clock.advance(0);
    views.set('a', runs('a'));
    workers.updatePod(deleted('a', 30));
    await clock.advance(0);
    expect(calls).toEqual(['sync a', 'stop a 30', 'publish final', 'release a', 'publish final', 'finish a']);
    workers.removePod(deleted('a', 30));
    await clock.advance(0);
    expect(calls.at(-1)).toBe('remove a');
    expect(workers.has('a')).toBe(false);
  });

  test('a critical pod waits until those that make room for it have stopped', async () => {
    const victim = pod('v');
    const admit = (p: Pod, others: readonly Pod[]): AdmissionVerdict | undefined =>
      p.metadata.uid === 'c' && others.length > 0
        ? { reason: 'Preempting', message: 'it waits', victims: others, short: 'cpu' }
        : undefined;
    const { workers, clock, calls, hang, hung, views } = setup({ admit });
    workers.updatePod(victim);
    await clock.advance(0);
    views.set('v', runs('v'));
    hang.add('stop v 30');
    workers.updatePod(pod('c'));
    await clock.advance(0);
    expect(calls).toEqual(['sync v', 'preempted for cpu', 'stop v 30']);
    hung.get('stop v 30')?.end();
    await clock.advance(0);
    expect(calls).toContain('sync c');
  });

  test('a shorter grace period begins the stop anew; a longer one does not', async () => {
    const { workers, clock, calls, hang, views } = setup();
    views.set('a', runs('a'));
    for (const seconds of [30, 5]) hang.add(`stop a ${seconds}`);
    workers.updatePod(deleted('a', 30));
    await clock.advance(0);
    workers.updatePod(deleted('a', 40));
    await clock.advance(0);
    expect(calls).toEqual(['stop a 30']);
    workers.updatePod(deleted('a', 5));
    await clock.advance(0);
    workers.updatePod(deleted('a', 0));
    await clock.advance(0);
    expect(calls.slice(0, 3)).toEqual(['stop a 30', 'stop a 5', 'stop a 0']);
    expect(calls).toContain('finish a');
  });

  test('what fails to stop is tried again with back-off, and nothing is released before', async () => {
    const { workers, clock, calls, hang, hung, views } = setup();
    views.set('a', runs('a'));
    hang.add('stop a 30');
    workers.updatePod(deleted('a', 30));
    await clock.advance(0);
    hung.get('stop a 30')?.signal.dispatchEvent(new Event('abort'));
    await clock.advance(499);
    expect(calls).toEqual(['stop a 30']);
    hang.clear();
    await clock.advance(1);
    expect(calls.slice(0, 3)).toEqual(['stop a 30', 'stop a 30', 'publish final']);
  });

  test('a finished pod never runs again', async () => {
    const { workers, clock, calls, complete } = setup();
    complete();
    workers.updatePod(pod('a'));
    await clock.advance(0);
    expect(calls).toContain('finish a');
    calls.length = 0;
    workers.updatePod(pod('a', { generation: 7 }));
    await clock.advance(0);
    expect(calls).toEqual([]);
  });

  test('a pod that the node refuses is told so and never started', async () => {
    const verdict = { reason: 'OutOfcpu', message: 'no room' };
    const { workers, clock, calls } = setup({ admit: (_, others) => (others.length > 0 ? verdict : undefined) });
    workers.updatePod(pod('a'));
    workers.updatePod(pod('b'));
    await clock.advance(0);
    expect(calls).toContain('publish OutOfcpu');
    expect(calls).not.toContain('sync b');
    expect(calls).toContain('finish b');
  });

  test('the node is asked for anew before a pod is refused: it may fit by now', async () => {
    let labels = 'old';
    const { workers, clock, calls } = setup({
      admit: () => (labels === 'old' ? { reason: 'NodeAffinity', message: 'wrong labels' } : undefined),
      refreshNode: () => Promise.resolve(void (labels = 'new')),
    });
    workers.updatePod(pod('a'));
    await clock.advance(0);
    expect(calls).toEqual(['sync a']);
  });

  test('a pod that runs here already was admitted before', async () => {
    const { workers, clock, calls, views } = setup({ admit: () => ({ reason: 'OutOfcpu', message: 'no room' }) });
    views.set('a', runs('a'));
    workers.updatePod(pod('a'));
    await clock.advance(0);
    expect(calls).toEqual(['sync a']);
  });

  test('activeDeadlineSeconds ends the pod on time', async () => {
    const { workers, clock, calls, known } = setup();
    known.set('a', { startTime: new Date(clock.now()).toISOString() });
    workers.updatePod(pod('a', {}, { activeDeadlineSeconds: 10 }));
    await clock.advance(9_999);
    expect(calls).toEqual(['sync a']);
    await clock.advance(1);
    expect(calls).toContain('publish DeadlineExceeded');
  });

  test('a sync that wants to come back comes back', async () => {
    const { workers, clock, calls, setSync } = setup();
    setSync({ afterMs: 1_000 });
    workers.updatePod(pod('a'));
    await clock.advance(2_000);
    expect(calls).toEqual(['sync a', 'sync a', 'sync a']);
  });

  test('what the runtime holds of a pod that the API does not know is ended', async () => {
    const { workers, clock, calls, views } = setup();
    views.set('old', runs('old'));
    workers.endOrphans();
    await clock.advance(0);
    expect(calls.filter(call => !call.startsWith('publish'))).toEqual([
      'stop old 30',
      'release old',
      'finish old',
      'remove old',
    ]);
    expect(workers.pods()).toEqual([]);
  });

  test('remains of a dead pod yield to pods that start, but not for ever', async () => {
    const { workers, clock, calls, setStarting } = setup();
    setStarting(1);
    workers.updatePod(deleted('a', 0));
    workers.removePod(deleted('a', 0));
    await clock.advance(9_999);
    expect(calls).not.toContain('remove a');
    await clock.advance(1);
    expect(calls).toContain('remove a');
  });
});
