import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import { containerHash } from './container-hash.ts';
import { computePodActions, type PodActions, type ProbeFailure } from './pod-actions.ts';
import type { ContainerView, PodView, SandboxView } from './pod-view.ts';
import { BACKOFF_ANNOTATION } from './restart.ts';

const NOW = 1_000_000;
const image = 'x:1';
const main: Container = { name: 'main', image };
const sandbox = (id: string, over: Partial<SandboxView> = {}): SandboxView => ({
  id,
  attempt: 0,
  ready: true,
  createdAtMs: 1,
  ips: ['10.0.0.1'],
  ...over,
});
const container = (name: string, over: Partial<ContainerView> = {}): ContainerView => ({
  id: `${name}-id`,
  name,
  sandboxId: 's0',
  state: 'running',
  attempt: 0,
  image,
  imageRef: '',
  createdAtMs: 1,
  startedAtMs: 1,
  finishedAtMs: 0,
  exitCode: 0,
  reason: '',
  message: '',
  hash: containerHash({ name, image }),
  logPath: '',
  annotations: {},
  ...over,
});
const exited = (name: string, exitCode: number, backoffMs = 0, over: Partial<ContainerView> = {}): ContainerView =>
  container(name, {
    state: 'exited',
    exitCode,
    startedAtMs: NOW - 1000,
    finishedAtMs: NOW,
    annotations: { [BACKOFF_ANNOTATION]: String(backoffMs) },
    ...over,
  });
const view = (sandboxes: SandboxView[], containers: ContainerView[]): PodView => ({
  uid: 'u',
  namespace: 'n',
  name: 'p',
  sandboxes,
  containers,
});
const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { uid: 'u' },
  spec: { containers: [main], ...spec },
});
const plan = (p: Pod, v: PodView | undefined, failures: [string, ProbeFailure][] = [], started = true): PodActions =>
  computePodActions({ pod: p, view: v, nowMs: NOW, probeFailures: new Map(failures), isStarted: () => started });
/** What a reader wants to see of it. */
const brief = (actions: PodActions): string => {
  const parts = [
    actions.finished ? 'finished' : '',
    actions.createSandbox === undefined ? '' : `sandbox#${actions.createSandbox}`,
    ...actions.stopSandboxes.map(id => `stop ${id}`),
    ...actions.kill.map(k => `kill ${k.container.name} (${k.cause})`),
    ...actions.remove.map(c => `remove ${c.name}`),
    ...actions.start.map(s => `start ${s.container.name}#${s.attempt}`),
    ...actions.waiting.map(w => `wait ${w.container.name} ${w.untilMs - NOW}`),
  ];
  return parts.filter(part => part !== '').join(', ');
};

describe('computePodActions()', () => {
  const init = (name: string): Container => ({ name, image });
  const sidecar: Container = { name: 'side', image, restartPolicy: 'Always' };
  const s0 = [sandbox('s0')];
  test.each<[string, Pod, PodView | undefined, string]>([
    ['makes everything when nothing is there', pod(), undefined, 'sandbox#0, start main#0'],
    ['starts what is missing in a ready sandbox', pod(), view(s0, []), 'start main#0'],
    ['does nothing when all runs', pod(), view(s0, [container('main')]), ''],
    [
      'stops a second sandbox',
      pod(),
      view([sandbox('s1'), sandbox('s0')], [container('main', { sandboxId: 's1' })]),
      'stop s0',
    ],
    [
      'makes a sandbox anew when it died, and counts on',
      pod(),
      view([sandbox('s0', { ready: false })], [exited('main', 137)]),
      'sandbox#1, start main#1',
    ],
    [
      'makes a sandbox anew when it has no address',
      pod(),
      view([sandbox('s0', { ips: [] })], [container('main')]),
      'sandbox#1, stop s0, start main#1',
    ],
    [
      'takes a sandbox without address on the host network',
      pod({ hostNetwork: true }),
      view([sandbox('s0', { ips: [] })], [container('main')]),
      '',
    ],
    [
      'brings nothing back with Never when the sandbox died',
      pod({ restartPolicy: 'Never' }),
      view([sandbox('s0', { ready: false })], [exited('main', 1)]),
      'finished',
    ],
    ['restarts at once the first time', pod(), view(s0, [exited('main', 1)]), 'start main#1'],
    ['waits for the back-off', pod(), view(s0, [exited('main', 1, 10_000)]), 'wait main 10000'],
    ['is finished when Never ended', pod({ restartPolicy: 'Never' }), view(s0, [exited('main', 1)]), 'finished'],
    [
      'is finished when OnFailure ended well',
      pod({ restartPolicy: 'OnFailure' }),
      view(s0, [exited('main', 0)]),
      'finished',
    ],
    [
      'restarts OnFailure after a failure',
      pod({ restartPolicy: 'OnFailure' }),
      view(s0, [exited('main', 2)]),
      'start main#1',
    ],
    [
      'kills what the spec changed',
      pod({ containers: [{ name: 'main', image: 'x:2' }] }),
      view(s0, [container('main')]),
      'kill main (changed)',
    ],
    [
      'removes a container that never started and uses its number',
      pod(),
      view(s0, [container('main', { state: 'created', attempt: 3 })]),
      'remove main, start main#3',
    ],
    [
      'kills what the spec does not name',
      pod(),
      view(s0, [container('main'), container('old')]),
      'kill old (unwanted)',
    ],
    ['starts init containers one by one', pod({ initContainers: [init('a'), init('b')] }), view(s0, []), 'start a#0'],
    [
      'goes on to the next init container',
      pod({ initContainers: [init('a'), init('b')] }),
      view(s0, [exited('a', 0)]),
      'start b#0',
    ],
    ['waits for a running init container', pod({ initContainers: [init('a')] }), view(s0, [container('a')]), ''],
    ['starts main after init', pod({ initContainers: [init('a')] }), view(s0, [exited('a', 0)]), 'start main#0'],
    [
      'tries a failed init container again',
      pod({ initContainers: [init('a')] }),
      view(s0, [exited('a', 1)]),
      'start a#1',
    ],
    [
      'gives up with Never when init failed',
      pod({ restartPolicy: 'Never', initContainers: [init('a')] }),
      view(s0, [exited('a', 1)]),
      'finished',
    ],
    [
      'does not run init again while main runs',
      pod({ initContainers: [init('a')] }),
      view(s0, [container('main')]),
      '',
    ],
    ['starts a sidecar first', pod({ initContainers: [sidecar] }), view(s0, []), 'start side#0'],
    [
      'starts main beside a started sidecar',
      pod({ initContainers: [sidecar] }),
      view(s0, [container('side')]),
      'start main#0',
    ],
    [
      'restarts a sidecar beside main',
      pod({ initContainers: [sidecar] }),
      view(s0, [exited('side', 0), container('main')]),
      'start side#1',
    ],
    [
      'is finished when only sidecars are left',
      pod({ restartPolicy: 'Never', initContainers: [sidecar] }),
      view(s0, [container('side'), exited('main', 0)]),
      'finished',
    ],
    [
      'starts ephemeral containers once',
      pod({ ephemeralContainers: [{ name: 'dbg', image }] }),
      view(s0, [container('main')]),
      'start dbg#0',
    ],
    [
      'leaves ended ephemeral containers',
      pod({ ephemeralContainers: [{ name: 'dbg', image }] }),
      view(s0, [container('main'), exited('dbg', 1)]),
      '',
    ],
  ])('%s', (_, p, v, want) => {
    expect(brief(plan(p, v))).toBe(want);
  });

  test('kills what a probe failed, with the grace period of the probe', () => {
    const actions = plan(pod(), view(s0, [container('main')]), [
      ['main-id', { probe: 'liveness', message: 'x', graceSeconds: 3 }],
    ]);
    expect(actions.kill[0]).toMatchObject({
      graceSeconds: 3,
      message: 'Container main failed liveness probe, will be restarted',
    });
    expect(actions.finished).toBe(false);
  });

  test('holds main back until the sidecar has started', () => {
    expect(brief(plan(pod({ initContainers: [sidecar] }), view(s0, [container('side')]), [], false))).toBe('');
  });

  const first: Container = { name: 'init', image };
  const second: Container = { name: 'second', image };

  test.each<[string, ContainerView[], string]>([
    ['before its turn is over', [], ''],
    ['while another init container runs', [container('init')], ''],
    ['when that has ended', [exited('init', 0)], 'start second#0'],
  ])('a sidecar that has to start again holds others up only until its turn is over: %s', (_, more, want) => {
    const p = pod({ initContainers: [sidecar, first, second] });
    expect(brief(plan(p, view(s0, [container('side'), ...more]), [], false))).toBe(want);
  });

  test('an init container that ran in a sandbox that died is not run again by policy Never', () => {
    const p = pod({ initContainers: [first], restartPolicy: 'Never' });
    expect(brief(plan(p, view([sandbox('s0', { ready: false })], [container('init')])))).toBe('finished, stop s0');
  });

  describe('of a container whose resources are others than it was given', () => {
    const sized = (over: Partial<Container>): Container => ({
      ...main,
      resources: { limits: { memory: '2Mi' } },
      ...over,
    });
    const from = { cpuShares: 2, cpuQuotaUs: 0, memoryLimitBytes: 1, memoryRequestBytes: 1 };
    const resizing = (over: Partial<Container>, replacing: string[] = [], views = [container('main')]): PodActions =>
      computePodActions({
        pod: pod({ containers: [sized(over)], restartPolicy: 'OnFailure' }),
        view: view(s0, views),
        nowMs: NOW,
        probeFailures: new Map(),
        isStarted: () => true,
        applied: () => from,
        replacing: new Set(replacing),
      });

    test('gives it what it should have', () => {
      const { update, kill } = resizing({});
      expect(kill).toEqual([]);
      expect(update).toMatchObject([{ from, to: { memoryLimitBytes: 2 * 1024 * 1024 } }]);
    });

    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];

    test('stops it where its policy wants a restart', () => {
      const { update, kill } = resizing({ resizePolicy });
      expect(update).toEqual([]);
      expect(kill).toMatchObject([{ message: 'Container main resize requires restart', cause: 'resized' }]);
    });

    test.each([
      ['starts what was stopped for it, whatever the policy and without back-off', ['main-id'], 'start main#1'],
      ['leaves what ended by itself', [], 'finished'],
    ])('%s', (_, replacing, want) => {
      expect(brief(resizing({ resizePolicy }, replacing, [exited('main', 0, 10_000)]))).toBe(want);
    });
  });

  describe('with a rule that restarts all containers', () => {
    const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
    const ruled: Container = { ...main, restartPolicyRules, restartPolicy: 'Never' };
    const p = pod({ initContainers: [first], containers: [ruled, second], restartPolicy: 'Never' });
    const ended = (backoffMs = 0) => exited('main', 42, backoffMs);
    const old = [exited('init', 0, 0, { finishedAtMs: 5 })];
    const born = { createdAtMs: NOW + 1 };

    test.each<[string, ContainerView[], string]>([
      ['stops what still runs', [ended(), container('second'), ...old], 'kill second (restartAll)'],
      ['then begins anew with the first init container', [ended(), exited('second', 137), ...old], 'start init#1'],
      [
        'waits for init containers as ever',
        [container('init', { ...born, id: 'i2' }), ended(), exited('second', 137), ...old],
        '',
      ],
      [
        'then starts all, also what had ended well',
        [exited('init', 0, 0, { ...born, id: 'i2' }), ended(), exited('second', 0), ...old],
        'start main#1, start second#1',
      ],
      [
        'but the one that ended waits out its back-off',
        [exited('init', 0, 0, { ...born, id: 'i2' }), ended(10_000), exited('second', 0), ...old],
        'start second#1, wait main 10000',
      ],
      [
        'and is done when all live again',
        [
          container('main', { ...born, id: 'm2' }),
          container('second', { ...born, id: 's2' }),
          exited('init', 0, 0, { ...born, id: 'i2' }),
          ended(),
        ],
        '',
      ],
    ])('%s', (_, containers, want) => {
      expect(brief(plan(p, view(s0, containers)))).toBe(want);
    });

    test('stops without grace and without asking', () => {
      expect(plan(p, view(s0, [ended(), container('second')])).kill).toMatchObject([{ cause: 'restartAll' }]);
    });
  });

  test('counts on from the API when the runtime forgot the container', () => {
    const status = { name: 'main', ready: true, restartCount: 4, image, imageID: '', containerID: 'containerd://gone' };
    expect(brief(plan({ ...pod(), status: { containerStatuses: [status] } }, undefined))).toBe(
      'sandbox#0, start main#5',
    );
  });
});
