import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { ContainerState, PodSandboxState } from '../../../proto/cri/runtime.gen.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { PodCache } from './pod-cache.ts';

const RUNNING = ContainerState.CONTAINER_RUNNING;
const EXITED = ContainerState.CONTAINER_EXITED;
const identity = { uid: 'u', namespace: 'ns', name: 'p' };
const labels = {
  'io.kubernetes.pod.uid': 'u',
  'io.kubernetes.pod.namespace': 'ns',
  'io.kubernetes.pod.name': 'p',
  [CRI_KEYS.containerName]: 'c',
};
const gone = new RuntimeError('NotFound', 'X', 'gone', 0);

/** A runtime that holds what the maps say; `states` of a container are told one after the other, the last one stays. */
function setup() {
  const containers = new Map<string, ContainerState[]>();
  const sandboxes = new Map<string, PodSandboxState>();
  const calls: string[] = [];
  let failLists = 0;
  let hung: { id: string; until: Promise<void> } | undefined;
  const hang = (id: string): (() => void) => {
    let answer: () => void = () => {};
    hung = { id, until: new Promise(resolve => (answer = resolve)) };
    return answer;
  };
  const runtime = {
    containerStatus: async (id: string) => {
      calls.push(`container ${id}`);
      if (hung?.id === id) await hung.until;
      const states = containers.get(id);
      if (states === undefined) throw gone;
      const state = states.length > 1 ? states.shift() : states[0];
      const times = { createdAt: 1n, startedAt: 2n, finishedAt: 0n };
      const common = {
        metadata: { name: 'c', attempt: 0 },
        labels,
        annotations: {},
        mounts: [],
        logPath: '',
        imageRef: '',
      };
      return { status: { id, state, exitCode: 3, reason: '', message: '', image: { image: '' }, ...times, ...common } };
    },
    podSandboxStatus: async (id: string) => {
      calls.push(`sandbox ${id}`);
      const state = sandboxes.get(id);
      if (state === undefined) throw gone;
      const network = { ip: '10.0.0.9', additionalIps: [] };
      return { status: { id, state, createdAt: 1n, metadata: { attempt: 0 }, network, labels } };
    },
    listPodSandbox: async () => {
      if (failLists-- > 0) throw new RuntimeError('Unavailable', 'ListPodSandbox', 'away', 0);
      return [...sandboxes].map(([id, state]) => ({ id, state, labels }));
    },
    listContainers: async () =>
      [...containers].map(([id, states]) => ({ id, state: states[0], labels, podSandboxId: 's1' })),
  } as unknown as RuntimeService;
  const clock = new FakeClock();
  const cache = new PodCache({ runtime, clock, logger: silentLogger });
  const changed: string[] = [];
  cache.onChange(uid => changed.push(uid));
  const state = (id = 'c1') => cache.container(id)?.state;
  return {
    cache,
    clock,
    calls,
    changed,
    containers,
    sandboxes,
    state,
    hang,
    failLists: (n: number) => (failLists = n),
  };
}

const created: ContainerView = {
  id: 'c1',
  name: 'c',
  sandboxId: 's1',
  state: 'created',
  attempt: 0,
  image: '',
  imageRef: '',
  createdAtMs: 1,
  startedAtMs: 0,
  finishedAtMs: 0,
  exitCode: 0,
  reason: '',
  message: '',
  hash: '',
  logPath: '',
  annotations: {},
};

describe('PodCache', () => {
  test('a gap lists what there is; the first list makes it ready', async () => {
    const { cache, containers, sandboxes, clock } = setup();
    sandboxes.set('s1', PodSandboxState.SANDBOX_READY);
    containers.set('c1', [RUNNING]);
    cache.handle({ kind: 'gap' });
    await cache.ready();
    await clock.advance(0);
    expect(cache.view('u')).toMatchObject({
      ...identity,
      sandboxes: [{ id: 's1', ready: true, ips: ['10.0.0.9'] }],
      containers: [{ id: 'c1', state: 'running', sandboxId: 's1' }],
    });
  });

  test('lists until the runtime answers', async () => {
    const { cache, clock, failLists } = setup();
    failLists(2);
    let ready = false;
    void cache.ready().then(() => (ready = true));
    cache.handle({ kind: 'gap' });
    await clock.advance(1_999);
    expect(ready).toBe(false);
    await clock.advance(1);
    expect(ready).toBe(true);
  });

  test('a status call that hangs holds up its own pod alone', async () => {
    const { cache, containers, sandboxes, clock, hang } = setup();
    sandboxes.set('s1', PodSandboxState.SANDBOX_READY);
    containers.set('c1', [RUNNING]);
    const answer = hang('c1');
    cache.handle({ kind: 'gap' });
    let settled = false;
    await clock.advance(1_000);
    await cache.ready();
    void cache.settled('u').then(() => (settled = true));
    await cache.settled('another');
    await clock.advance(60_000);
    expect(settled).toBe(false);
    answer();
    await clock.advance(0);
    expect(settled).toBe(true);
    expect(cache.view('u')?.containers).toMatchObject([{ id: 'c1', state: 'running', sandboxId: 's1' }]);
  });

  test('a second list asks for the status of nothing that did not change', async () => {
    const { cache, containers, sandboxes, clock, calls } = setup();
    sandboxes.set('s1', PodSandboxState.SANDBOX_READY);
    containers.set('c1', [RUNNING]);
    cache.handle({ kind: 'gap' });
    await clock.advance(0);
    calls.length = 0;
    cache.handle({ kind: 'gap' });
    await clock.advance(0);
    expect(calls).toEqual([]);
  });

  test('forgets what a list no longer has', async () => {
    const { cache, containers, clock } = setup();
    containers.set('c1', [EXITED]);
    cache.handle({ kind: 'gap' });
    await clock.advance(0);
    containers.clear();
    cache.handle({ kind: 'gap' });
    await clock.advance(0);
    expect(cache.view('u')).toBeUndefined();
  });

  test('an exit is asked about until the runtime knows of it', async () => {
    const { cache, containers, clock, calls, state } = setup();
    cache.addContainer(identity, { ...created, state: 'running' });
    containers.set('c1', [RUNNING, RUNNING, EXITED]);
    cache.handle({ kind: 'exited', containerId: 'c1' });
    await clock.advance(2);
    expect(state()).toBe('running');
    await clock.advance(6);
    expect(state()).toBe('exited');
    expect(calls).toHaveLength(3);
  });

  test('an exit that was told is waited for by every later question', async () => {
    const { cache, containers, clock, state } = setup();
    cache.addContainer(identity, { ...created, state: 'running' });
    containers.set('c1', [RUNNING]);
    cache.handle({ kind: 'exited', containerId: 'c1' });
    await clock.advance(60_000);
    expect(state()).toBe('running');
    containers.set('c1', [EXITED]);
    await clock.advance(2_000);
    expect(state()).toBe('exited');
  });

  test('an exited container never runs again, whatever a late answer says', async () => {
    const { cache, containers, state } = setup();
    containers.set('c1', [RUNNING]);
    cache.addContainer(identity, { ...created, state: 'exited' });
    await cache.refreshContainer('c1');
    expect(state()).toBe('exited');
  });

  test('an OOM before the exit is its reason', async () => {
    const { cache, containers, clock } = setup();
    cache.addContainer(identity, { ...created, state: 'running' });
    containers.set('c1', [EXITED]);
    cache.handle({ kind: 'oom', containerId: 'c1' });
    cache.handle({ kind: 'exited', containerId: 'c1' });
    await clock.advance(0);
    expect(cache.container('c1')?.reason).toBe('OOMKilled');
  });

  test("others' containers are nobody's business", async () => {
    const { cache, calls, clock } = setup();
    cache.handle({ kind: 'exited', containerId: 'stranger' });
    await clock.advance(10);
    expect(calls).toEqual([]);
  });

  test('a sandbox whose pause container ends is asked about until it is no longer ready', async () => {
    const { cache, sandboxes, clock } = setup();
    sandboxes.set('s1', PodSandboxState.SANDBOX_READY);
    await cache.addSandbox(identity, 's1');
    cache.handle({ kind: 'exited', containerId: 's1' });
    await clock.advance(1);
    expect(cache.view('u')?.sandboxes[0]?.ready).toBe(true);
    sandboxes.set('s1', PodSandboxState.SANDBOX_NOTREADY);
    await clock.advance(2);
    expect(cache.view('u')?.sandboxes[0]?.ready).toBe(false);
  });

  test('a pod is forgotten with the last thing that the runtime holds of it', () => {
    const { cache, changed } = setup();
    cache.addContainer(identity, created);
    cache.drop('c1');
    expect(cache.view('u')).toBeUndefined();
    expect(changed).toEqual(['u', 'u']);
  });
});

describe('PodCache.during()', () => {
  test('a stop of our own costs no status call', async () => {
    const { cache, clock, calls } = setup();
    cache.addContainer(identity, { ...created, state: 'running' });
    await cache.during('c1', 'stop', async () => cache.handle({ kind: 'exited', containerId: 'c1' }));
    await clock.advance(10);
    expect(calls).toEqual([]);
  });

  test('a stop that fails hears what it missed', async () => {
    const { cache, clock, containers, state } = setup();
    cache.addContainer(identity, { ...created, state: 'running' });
    containers.set('c1', [EXITED]);
    const stop = cache.during('c1', 'stop', async () => {
      cache.handle({ kind: 'exited', containerId: 'c1' });
      throw new Error('deadline');
    });
    await expect(stop).rejects.toThrow('deadline');
    await clock.advance(0);
    expect(state()).toBe('exited');
  });

  test('a container that ends while it is started is heard', async () => {
    const { cache, clock, containers, calls, state } = setup();
    cache.addContainer(identity, created);
    // The runtime has not even noted the start when it tells of the exit.
    containers.set('c1', [ContainerState.CONTAINER_CREATED, RUNNING, EXITED]);
    await cache.during('c1', 'start', async () => {
      cache.handle({ kind: 'started', containerId: 'c1' });
      cache.handle({ kind: 'exited', containerId: 'c1' });
    });
    const refreshed = cache.refreshContainer('c1');
    await clock.advance(8);
    await refreshed;
    expect(state()).toBe('exited');
    expect(calls).toHaveLength(3);
  });
});
