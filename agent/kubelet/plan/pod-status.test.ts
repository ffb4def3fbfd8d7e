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
  test('says how far down a mount is read-only: as the runtime tells, and before that as was asked for', () => {
    const mount = { name: 'v', mountPath: '/v', readOnly: true };
    const mounts = (mode: string, ...views: ContainerView[]): unknown => {
      const volumeMounts = [
        { ...mount, recursiveReadOnly: mode },
        { name: 'w', mountPath: '/w' },
      ];
      const of = pod({ containers: [{ name: 'c', image: 'x:1', volumeMounts }] });
      return status({ pod: of, view: view(...views) }).containerStatuses?.[0]?.volumeMounts;
    };
    const told = (recursiveReadOnly: string): unknown => [
      { ...mount, recursiveReadOnly },
      { name: 'w', mountPath: '/w' },
    ];
    expect(mounts('Enabled')).toEqual(told('Enabled'));
    expect(mounts('IfPossible', container())).toEqual(told('Disabled'));
    expect(mounts('IfPossible', container({ recursivelyReadOnly: ['/v'] }))).toEqual(told('Enabled'));
  });

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
    ['deleted before it ran', { final: true }, 'Failed'],
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

  test('of a pod that ended before it ever ran: nothing waits any more, and who ended it is said', () => {
    const verdict = { reason: 'DeadlineExceeded', message: 'm' };
    const begun = status({});
    const ended = status({ older: begun, verdict, final: true });
    expect(ended).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
    expect(ended.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 137 });
    expect(status({ older: ended, final: true }).containerStatuses).toEqual(ended.containerStatuses);
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

  test('everything of a pod with init containers waits for them, the first too', () => {
    const containers = [{ name: 'c' }];
    const reasons = (spec: Partial<Pod['spec']>): (string | undefined)[] => {
      const { containerStatuses = [], initContainerStatuses = [] } = status({ pod: pod({ containers, ...spec }) });
      return [...initContainerStatuses, ...containerStatuses].map(each => each.state?.waiting?.reason);
    };
    expect(reasons({})).toEqual(['ContainerCreating']);
    expect(reasons({ initContainers: [{ name: 'a' }] })).toEqual(['PodInitializing', 'PodInitializing']);
  });

  test('termination messages share 12 KiB, and are cut between characters', () => {
    const containers = Array.from({ length: 6 }, (_, n) => ({ name: `c${n}` }));
    const views = containers.map(({ name }) => exited(1, { name, message: 'ä'.repeat(4096) }));
    const { containerStatuses = [] } = status({ pod: pod({ containers }), view: view(...views) });
    const sizes = containerStatuses.map(each => Buffer.byteLength(each.state?.terminated?.message ?? ''));
    expect(sizes).toEqual(Array.from({ length: 6 }, () => 2048));
    const odd = exited(1, { message: `x${'ä'.repeat(9_000)}` });
    const message = status({ view: view(odd) }).containerStatuses?.[0]?.state?.terminated?.message ?? '';
    expect([Buffer.byteLength(message), message.endsWith('ä')]).toEqual([12 * 1024 - 1, true]);
  });

  describe('of resources', () => {
    const resources = { requests: { cpu: '100m' }, limits: { cpu: '200m' } };
    const sized = pod({ containers: [{ name: 'c', resources }] });

    test('are those that were allocated, and what the container has', () => {
      const applied = { cpuShares: 51, cpuQuotaUs: 10_000, memoryLimitBytes: 0, memoryRequestBytes: 0 };
      const told = status({ pod: sized, view: view(container()), applied: () => applied }).containerStatuses?.[0];
      expect(told).toMatchObject({
        allocatedResources: resources.requests,
        resources: { requests: { cpu: '50m' }, limits: { cpu: '100m' } },
      });
      // What does not run has nothing else.
      expect(
        status({ pod: sized, view: view(exited(0)), applied: () => applied }).containerStatuses?.[0],
      ).toMatchObject({
        resources,
      });
    });

    test('conditions of a resize come and go, and speak of their own generation', () => {
      const pending = { type: 'PodResizePending', status: 'True', reason: 'Deferred', observedGeneration: 2 };
      const waiting = status({ pod: sized, resizeConditions: [pending] });
      expect(waiting.conditions?.find(c => c.type === 'PodResizePending')).toMatchObject({ observedGeneration: 2 });
      expect(conditions(status({ pod: sized, older: waiting }))).not.toHaveProperty('PodResizePending');
      expect(
        conditions(status({ pod: sized, resizeConditions: [pending], verdict: { reason: 'x', message: '' } })),
      ).not.toHaveProperty('PodResizePending');
    });

    test('of the pod as a whole are told too, and during a resize those from before', () => {
      const whole = (cpu: string): Pod => pod({ resources: { requests: { cpu } } });
      const before = status({ pod: whole('1') });
      expect(before).toMatchObject({ allocatedResources: { cpu: '1' }, resources: { requests: { cpu: '1' } } });
      const busy = [{ type: 'PodResizeInProgress', status: 'True' }];
      const during = status({ pod: whole('2'), older: before, resizeConditions: busy });
      expect(during).toMatchObject({ allocatedResources: { cpu: '2' }, resources: { requests: { cpu: '1' } } });
    });
  });

  test('says when containers are stopped so that all begin anew, of pods with such a rule', () => {
    const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
    const two = pod({ containers: [{ name: 'c', restartPolicyRules }, { name: 'd' }] });
    const of = (...containers: ContainerView[]): string | undefined =>
      conditions(status({ pod: two, view: view(...containers) }))['AllContainersRestarting'];
    expect(of(container(), container({ name: 'd' }))).toBe('False');
    expect(of(exited(42), container({ name: 'd' }))).toBe('True RestartAllContainersStarted');
    expect(of(exited(42), exited(137, { name: 'd' }))).toBe('False');
    expect(conditions(status({}))).not.toHaveProperty('AllContainersRestarting');
  });
});
