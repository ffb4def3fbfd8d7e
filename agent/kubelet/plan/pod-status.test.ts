import { describe, expect, test } from '@jest/globals';
import type { Pod, PodStatus } from '../../../proto/api/core-v1.ts';
import { podStatus, type PodStatusInput } from './pod-status.ts';
import type { ContainerView, PodView } from './pod-view.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const EARLIER = NOW - 60_000;
const container = (over: Partial<ContainerView> = {}): ContainerView => ({
  id: 'abc',
  name: 'c',
  sandboxId: 's',
  state: 'running',
  attempt: 0,
  image: 'docker.io/library/x:1',
  imageRef: 'sha256:1',
  createdAtMs: EARLIER,
  startedAtMs: EARLIER,
  finishedAtMs: 0,
  exitCode: 0,
  reason: '',
  message: '',
  hash: '',
  logPath: '',
  annotations: {},
  ...over,
});
const exited = (exitCode: number, over: Partial<ContainerView> = {}): ContainerView =>
  container({ state: 'exited', exitCode, finishedAtMs: NOW, ...over });
const view = (...containers: ContainerView[]): PodView => ({
  uid: 'u',
  namespace: 'n',
  name: 'p',
  sandboxes: [{ id: 's', attempt: 0, ready: true, createdAtMs: 1, ips: ['10.0.0.5'] }],
  containers,
});
const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { uid: 'u', generation: 3 },
  spec: { containers: [{ name: 'c', image: 'x:1' }], ...spec },
});
const status = (over: Partial<PodStatusInput>): PodStatus =>
  podStatus({
    pod: pod(),
    view: undefined,
    waiting: new Map(),
    probes: () => ({ ready: true, started: true }),
    applied: () => undefined,
    resizeConditions: [],
    hostIPs: ['192.0.2.1'],
    runtimeName: 'containerd',
    nowMs: NOW,
    older: undefined,
    verdict: undefined,
    final: false,
    ...over,
  });
const conditions = (s: PodStatus): Record<string, string> =>
  Object.fromEntries(
    (s.conditions ?? []).map(c => [c.type, c.reason === undefined ? c.status : `${c.status} ${c.reason}`]),
  );

describe('podStatus()', () => {
  test('of a pod that nothing was done for yet', () => {
    const s = status({});
    expect(s).toMatchObject({
      phase: 'Pending',
      observedGeneration: 3,
      hostIP: '192.0.2.1',
      startTime: '2026-01-02T03:04:05Z',
      qosClass: 'BestEffort',
    });
    expect(s.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } });
    expect(conditions(s)).toEqual({
      PodReadyToStartContainers: 'False',
      Initialized: 'True',
      Ready: 'False ContainersNotReady',
      ContainersReady: 'False ContainersNotReady',
      PodScheduled: 'True',
    });
  });

  test('of a running pod', () => {
    const s = status({ view: view(container()) });
    expect(s).toMatchObject({ phase: 'Running', podIP: '10.0.0.5', podIPs: [{ ip: '10.0.0.5' }] });
    expect(s.containerStatuses?.[0]).toMatchObject({
      ready: true,
      started: true,
      containerID: 'containerd://abc',
      imageID: 'sha256:1',
      state: { running: { startedAt: '2026-01-02T03:03:05Z' } },
    });
    expect(conditions(s)).toMatchObject({ PodReadyToStartContainers: 'True', Ready: 'True', ContainersReady: 'True' });
  });

  test.each<[string, Partial<PodStatusInput>, string]>([
    ['Never, ended well', { pod: pod({ restartPolicy: 'Never' }), view: view(exited(0)) }, 'Succeeded'],
    ['Never, ended badly', { pod: pod({ restartPolicy: 'Never' }), view: view(exited(1)) }, 'Failed'],
    ['OnFailure, ended badly', { pod: pod({ restartPolicy: 'OnFailure' }), view: view(exited(1)) }, 'Running'],
    ['Always, ended well', { view: view(exited(0)) }, 'Running'],
    ['deleted, killed', { view: view(exited(143)), final: true }, 'Failed'],
    ['deleted, ended well', { view: view(exited(0)), final: true }, 'Succeeded'],
    [
      'init failed for good',
      { pod: pod({ restartPolicy: 'Never', initContainers: [{ name: 'i' }] }), view: view(exited(1, { name: 'i' })) },
      'Failed',
    ],
    [
      'init running',
      { pod: pod({ initContainers: [{ name: 'i' }] }), view: view(container({ name: 'i' })) },
      'Pending',
    ],
    ['ended before', { older: { phase: 'Failed' }, view: view(container()) }, 'Failed'],
    ['evicted', { verdict: { reason: 'Evicted', message: 'm' }, view: view(container()) }, 'Failed'],
  ])('phase: %s', (_, over, want) => {
    expect(status(over).phase).toBe(want);
  });

  test('of a pod that was turned away names no containers', () => {
    const rejected = status({ verdict: { reason: 'OutOfcpu', message: 'm' } });
    expect(rejected).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu' });
    expect(rejected.containerStatuses).toBeUndefined();
    expect(status({ older: rejected }).containerStatuses).toBeUndefined();
  });

  test('shows a crash loop with what came before', () => {
    const waiting = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);
    const s = status({ view: view(exited(1, { attempt: 2 })), waiting });
    expect(s.phase).toBe('Running');
    expect(s.containerStatuses?.[0]).toMatchObject({
      restartCount: 2,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, reason: 'Error', containerID: 'containerd://abc' } },
    });
  });

  test('shows the attempt before as last state', () => {
    const s = status({ view: view(container({ attempt: 1 }), exited(7, { id: 'old' })) });
    expect(s.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 7,
      containerID: 'containerd://old',
    });
  });

  test('names init containers that are not done', () => {
    const s = status({ pod: pod({ initContainers: [{ name: 'i' }] }), view: view(container({ name: 'i' })) });
    expect(s.conditions?.find(c => c.type === 'Initialized')).toMatchObject({
      status: 'False',
      message: 'containers with incomplete status: [i]',
    });
    expect(s.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
  });

  test('waits for readiness gates', () => {
    const gated = pod({ readinessGates: [{ conditionType: 'x/y' }] });
    expect(conditions(status({ pod: gated, view: view(container()) }))['Ready']).toBe('False ReadinessGatesNotReady');
    const open = { ...gated, status: { conditions: [{ type: 'x/y', status: 'True' }] } };
    expect(conditions(status({ pod: open, view: view(container()) }))['Ready']).toBe('True');
  });

  test('keeps times of conditions that did not flip, and others conditions', () => {
    const older: PodStatus = {
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' },
        { type: 'x/y', status: 'True' },
      ],
    };
    const s = status({ view: view(container()), older });
    expect(s.conditions?.find(c => c.type === 'Ready')?.lastTransitionTime).toBe('2020-01-01T00:00:00Z');
    expect(s.conditions?.find(c => c.type === 'ContainersReady')?.lastTransitionTime).toBe('2026-01-02T03:04:05Z');
    expect(s.conditions?.some(c => c.type === 'x/y')).toBe(true);
  });

  test('says so when a container vanished', () => {
    const older: PodStatus = {
      containerStatuses: [
        {
          name: 'c',
          ready: true,
          restartCount: 1,
          image: 'x',
          imageID: '',
          containerID: 'containerd://z',
          state: { running: {} },
        },
      ],
    };
    expect(status({ older }).containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
    });
  });
});
