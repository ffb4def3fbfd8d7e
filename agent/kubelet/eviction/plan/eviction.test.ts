import { describe, expect, test } from '@jest/globals';
import type { Container, Pod, PodSpec } from '../../../../proto/api/core-v1.ts';
import { withDefaults } from '../../config/plan/kubelet-configuration.ts';
import { evictionNotice } from './messages.ts';
import type { PodUsage } from './pod-usage.ts';
import { admitUnderPressure } from './pressure-admission.ts';
import { CALM, isRelieved, lookForPressure, nextLookMs, type Observations } from './pressure.ts';
import { partsOf, rankPods } from './rank.ts';
import { reclaimsOf } from './reclaims.ts';
import { exceededLimit, hasStorageLimit, nextWalkMs, storageUses } from './storage-limits.ts';
import { parseThresholds, withContainerFs, type PressureCondition, type Signal, type Threshold } from './thresholds.ts';

const MI = 1 << 20;
const ONE_FS = { dedicatedImageFs: false, splitContainerFs: false };
const IMAGE_FS = { dedicatedImageFs: true, splitContainerFs: false };
const SPLIT_FS = { dedicatedImageFs: true, splitContainerFs: true };

const container = (name: string, resources: Container['resources'] = {}): Container => ({ name, resources });
const pod = (name: string, spec: Partial<PodSpec> = {}, annotations?: Record<string, string>): Pod => ({
  metadata: { name, uid: name, namespace: 'ns', ...(annotations === undefined ? {} : { annotations }) },
  spec: { containers: [container('main')], ...spec },
});
const asking = (name: string, requests: Record<string, string>, more: Partial<PodSpec> = {}): Pod =>
  pod(name, { containers: [container('main', { requests })], ...more });

describe('parseThresholds()', () => {
  const named = (file: Parameters<typeof withDefaults>[0]): string[] =>
    parseThresholds(withDefaults(file)).map(
      ({ signal, amount, gracePeriodMs, minimumReclaim }) =>
        `${signal}<${amount.kind} ${amount.value} after ${gracePeriodMs}${minimumReclaim === undefined ? '' : ` until ${minimumReclaim.value}`}`,
    );

  test("takes upstream's defaults, and what of memory holds for the node holds for all pods", () => {
    expect(named({})).toEqual(
      expect.arrayContaining([
        `memory.available<count ${100 * MI} after 0`,
        'nodefs.available<fraction 0.1 after 0',
        'nodefs.inodesFree<fraction 0.05 after 0',
        'imagefs.available<fraction 0.15 after 0',
        `allocatableMemory.available<count ${100 * MI} after 0`,
      ]),
    );
    expect(named({ enforceNodeAllocatable: ['none'] }).join()).not.toContain('allocatableMemory');
  });

  test('reads soft ones with their grace, minimum reclaims, and leaves out what is turned off', () => {
    const thresholds = named({
      evictionHard: { 'nodefs.available': '0%', 'imagefs.available': '100%', 'pid.available': '100' },
      evictionSoft: { 'nodefs.available': '1Gi' },
      evictionSoftGracePeriod: { 'nodefs.available': '1m30s' },
      evictionMinimumReclaim: { 'nodefs.available': '500Mi' },
    });
    expect(thresholds).toEqual([
      'pid.available<count 100 after 0',
      `nodefs.available<count ${1024 * MI} after 90000 until ${500 * MI}`,
    ]);
  });

  test.each([
    [ONE_FS, 0.1],
    [IMAGE_FS, 0.15],
    [SPLIT_FS, 0.1],
  ])('withContainerFs() twins the file system that writable layers lie on: %j', (layout, want) => {
    const own = parseThresholds(
      withDefaults({ evictionHard: { 'nodefs.available': '10%', 'imagefs.available': '15%' } }),
    );
    const asked: Threshold = { ...(own[0] as Threshold), signal: 'containerfs.available' };
    const twins = withContainerFs([...own, asked], layout).filter(({ signal }) => signal === 'containerfs.available');
    expect(twins.map(({ amount }) => amount.value)).toEqual([want]);
  });
});

describe('lookForPressure()', () => {
  const hard = (signal: Signal, value: number, more: Partial<Threshold> = {}): Threshold => ({
    signal,
    amount: { kind: 'count', value },
    gracePeriodMs: 0,
    minimumReclaim: undefined,
    ...more,
  });
  const left = (signal: Signal, available: number): Observations => new Map([[signal, { available, capacity: 1000 }]]);

  test('a condition outlives its threshold by the transition period, what is due does not', () => {
    const thresholds = [hard('memory.available', 100)];
    const at = (state: typeof CALM, available: number, nowMs: number) =>
      lookForPressure(state, thresholds, left('memory.available', available), 300, nowMs);
    const calm = at(CALM, 100, 0);
    expect([calm.conditions, calm.due]).toEqual([[], []]);
    const short = at(calm.state, 99, 10);
    expect([short.conditions, short.due]).toEqual([['MemoryPressure'], thresholds]);
    const over = at(short.state, 200, 20);
    expect([over.conditions, over.due]).toEqual([['MemoryPressure'], []]);
    expect(at(over.state, 200, 309).conditions).toEqual(['MemoryPressure']);
    expect(at(over.state, 200, 310).conditions).toEqual([]);
    // Without a period the condition is as long as the threshold.
    expect(lookForPressure(CALM, thresholds, left('memory.available', 1), 0, 5).conditions).toEqual(['MemoryPressure']);
  });

  test('a soft threshold is due after its grace, which begins anew when it was not met between', () => {
    const thresholds = [hard('nodefs.available', 100, { gracePeriodMs: 50 })];
    const at = (state: typeof CALM, available: number, nowMs: number) =>
      lookForPressure(state, thresholds, left('nodefs.available', available), 0, nowMs);
    const first = at(CALM, 1, 0);
    expect([first.conditions, first.due.length]).toEqual([['DiskPressure'], 0]);
    expect(at(first.state, 1, 49).due).toHaveLength(0);
    expect(at(first.state, 1, 50).due).toHaveLength(1);
    const between = at(first.state, 500, 30);
    expect(at(between.state, 1, 60).due).toHaveLength(0);
  });

  test('what was acted upon holds on until the minimum is reclaimed, a part of the whole or a count', () => {
    const thresholds = [hard('nodefs.available', 100, { minimumReclaim: { kind: 'fraction', value: 0.2 } })];
    const at = (state: typeof CALM, available: number) =>
      lookForPressure(state, thresholds, left('nodefs.available', available), 0, 1).due.length;
    const { state } = lookForPressure(CALM, thresholds, left('nodefs.available', 99), 0, 0);
    expect([at(state, 299), at(state, 300), at(CALM, 299)]).toEqual([1, 0, 0]);
    expect(isRelieved(thresholds, left('nodefs.available', 299))).toBe(false);
    expect(isRelieved(thresholds, left('nodefs.available', 300))).toBe(true);
  });

  test('memory comes first, and a signal that nobody tells is not met', () => {
    const thresholds = [hard('nodefs.inodesFree', 9), hard('memory.available', 9), hard('pid.available', 9)];
    const seen: Observations = new Map([...left('nodefs.inodesFree', 1), ...left('memory.available', 1)]);
    const { due, conditions } = lookForPressure(CALM, thresholds, seen, 0, 0);
    expect(due.map(({ signal }) => signal)).toEqual(['memory.available', 'nodefs.inodesFree']);
    expect(conditions).toEqual(['MemoryPressure', 'DiskPressure']);
  });

  test.each([
    ['nothing was seen before', undefined, 500, 10_000],
    ['nothing falls', 400, 500, 10_000],
    ['it falls slowly', 501, 500, 10_000],
    ['half the way is four seconds off', 550, 500, 4_000],
    ['it is nearly there', 900, 101, 1_000],
  ])('nextLookMs() when %s', (_, before, now, want) => {
    const seen = before === undefined ? undefined : left('memory.available', before);
    expect(nextLookMs([hard('memory.available', 100)], seen, left('memory.available', now), 1_000)).toBe(want);
  });
});

const usage = (more: Partial<PodUsage> = {}): PodUsage => ({
  memoryBytes: 0,
  processes: 0,
  containers: [],
  volumes: new Map(),
  ...more,
});

describe('rankPods()', () => {
  const order = (pods: readonly Pod[], signal: Signal, usages: Record<string, PodUsage>, layout = ONE_FS): string[] =>
    rankPods(pods, signal, layout, p => usages[p.metadata.name ?? '']).map(p => p.metadata.name ?? '');

  test('memory: those over their request, then low priority, then the most above the request; unknown ones first', () => {
    const pods = [
      asking('modest', { memory: '100Mi' }),
      asking('important', { memory: '1Mi' }, { priority: 5 }),
      asking('greedy', { memory: '10Mi' }),
      asking('greedier', { memory: '10Mi' }),
      pod('unknown'),
    ];
    const mi = (count: number): PodUsage => usage({ memoryBytes: count * MI });
    const usages = { modest: mi(90), important: mi(500), greedy: mi(60), greedier: mi(80) };
    expect(order(pods, 'memory.available', usages)).toEqual(['unknown', 'greedier', 'greedy', 'important', 'modest']);
  });

  test('processes: priority and number alone', () => {
    const pods = [pod('many', { priority: 1 }), pod('few'), pod('some')];
    const usages = { many: usage({ processes: 99 }), few: usage({ processes: 1 }), some: usage({ processes: 9 }) };
    expect(order(pods, 'pid.available', usages)).toEqual(['some', 'few', 'many']);
  });

  test('disk: what lies on the file system that is short', () => {
    const use = (bytes: number, inodes = 1) => ({ bytes, inodes });
    const of = (rootfs: number, logs: number, volume: number): PodUsage =>
      usage({
        containers: [{ name: 'main', memoryBytes: undefined, rootfs: use(rootfs, 7), logs: use(logs) }],
        volumes: new Map([['v', use(volume)]]),
      });
    const pods = [pod('writer'), pod('logger'), pod('keeper')];
    const usages = { writer: of(50, 0, 0), logger: of(0, 40, 0), keeper: of(0, 0, 60) };
    expect(order(pods, 'nodefs.available', usages)).toEqual(['keeper', 'writer', 'logger']);
    expect(order(pods, 'nodefs.available', usages, IMAGE_FS)).toEqual(['keeper', 'logger', 'writer']);
    expect(order(pods, 'imagefs.available', usages, IMAGE_FS)[0]).toBe('writer');
    expect(order([pod('keeper'), asking('writer', { 'ephemeral-storage': '45' })], 'nodefs.available', usages)).toEqual(
      ['keeper', 'writer'],
    );
    expect([partsOf('imagefs.available', SPLIT_FS), partsOf('containerfs.available', SPLIT_FS)]).toEqual([
      [],
      ['logs', 'volumes', 'rootfs'],
    ]);
  });
});

test.each<[Signal, typeof ONE_FS, readonly string[]]>([
  ['memory.available', ONE_FS, []],
  ['pid.available', ONE_FS, []],
  ['nodefs.available', ONE_FS, ['endedContainers', 'images']],
  ['nodefs.available', IMAGE_FS, []],
  ['imagefs.inodesFree', IMAGE_FS, ['endedContainers', 'images']],
  ['imagefs.available', SPLIT_FS, ['images']],
  ['containerfs.available', SPLIT_FS, ['endedContainers']],
])('reclaimsOf() %s on %j: %j', (signal, layout, want) => {
  expect(reclaimsOf(signal, layout)).toEqual(want);
});

describe('evictionNotice()', () => {
  const threshold = (signal: Signal): Threshold => ({
    signal,
    amount: { kind: 'fraction', value: 0.1 },
    gracePeriodMs: 0,
    minimumReclaim: undefined,
  });

  test("says what was short and who used more than asked, in upstream's words", () => {
    const victim = asking('greedy', { memory: '20Mi' }, { initContainers: [container('side')] });
    const used = usage({
      memoryBytes: 65 * MI,
      containers: [
        { name: 'main', memoryBytes: 60 * MI, rootfs: undefined, logs: undefined },
        { name: 'side', memoryBytes: 5 * MI, rootfs: undefined, logs: undefined },
      ],
    });
    const seen: Observations = new Map([['memory.available', { available: 50 * MI, capacity: 1000 * MI }]]);
    expect(evictionNotice(victim, used, threshold('memory.available'), seen)).toEqual({
      message:
        'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
        'Container main was using 60Mi, request is 20Mi, has larger consumption of memory. ' +
        'Container side was using 5Mi, request is 0, has larger consumption of memory. ',
      annotations: {
        offending_containers: 'main,side',
        offending_containers_usage: '60Mi,5Mi',
        starved_resource: 'memory',
      },
    });
  });

  test('names the pod where it asked as a whole, and nobody where nothing is known', () => {
    const victim = pod('whole', { resources: { requests: { memory: '1Mi' } } });
    const notice = evictionNotice(victim, usage({ memoryBytes: 2 * MI }), threshold('memory.available'), new Map());
    expect(notice.message).toContain('Pod whole was using 2Mi, request is 1Mi, has larger consumption of memory. ');
    const seen: Observations = new Map([['pid.available', { available: 3, capacity: 32_768 }]]);
    expect(evictionNotice(victim, undefined, threshold('pid.available'), seen)).toEqual({
      message: 'The node was low on resource: pids. Threshold quantity: 3276, available: 3. ',
      annotations: {},
    });
  });
});

describe('exceededLimit()', () => {
  const use = (bytes: number) => ({ bytes, inodes: 1 });
  const main = (rootfs: number, logs: number) => [
    { name: 'main', memoryBytes: undefined, rootfs: use(rootfs), logs: use(logs) },
  ];
  const limited = pod('limited', {
    containers: [container('main', { limits: { 'ephemeral-storage': '10Ki' } }), container('free')],
    volumes: [
      { name: 'scratch', emptyDir: { sizeLimit: '4Ki' } },
      { name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '1' } },
    ],
  });
  test.each<[string, PodUsage, boolean, string | undefined]>([
    ['nothing', usage({ containers: main(5000, 5240) }), false, undefined],
    [
      'a volume',
      usage({ volumes: new Map([['scratch', use(4097)]]) }),
      false,
      'Usage of EmptyDir volume "scratch" exceeds the limit "4Ki". ',
    ],
    ['memory is none of the disk', usage({ volumes: new Map([['ram', use(99)]]) }), false, undefined],
    [
      'the pod as a whole',
      usage({ containers: main(10_000, 0), volumes: new Map([['scratch', use(4000)]]) }),
      false,
      'Pod ephemeral local storage usage exceeds the total limit of containers 10Ki. ',
    ],
  ])('%s', (_, used, dedicated, want) => {
    expect(exceededLimit(storageUses(limited, used, dedicated))?.message).toBe(want);
  });

  test('a container whose pod may have more', () => {
    const limits = (size: string) => ({ limits: { 'ephemeral-storage': size } });
    const both = pod('both', { containers: [container('main', limits('1Ki')), container('other', limits('1Mi'))] });
    expect(exceededLimit(storageUses(both, usage({ containers: main(0, 1025) }), true))).toMatchObject({
      kind: 'ephemeralcontainerfs.limit',
      message: 'Container main exceeded its local ephemeral storage limit "1Ki". ',
    });
    // On a file system of its own the writable layer is the images'.
    expect(exceededLimit(storageUses(both, usage({ containers: main(1025, 0) }), true))).toBeUndefined();
    expect(exceededLimit(storageUses(both, usage({ containers: main(1025, 0) }), false))).toBeDefined();
  });

  test.each([
    ['seen for the first time', undefined, 10, 10_000],
    ['nothing grows', 10, 10, 60_000],
    ['it grows slowly', 10, 11, 60_000],
    ['half the way is twenty seconds off', 20, 40, 20_000],
    ['it is nearly there', 90, 90, 10_000],
  ])('nextWalkMs() when %s', (_, before, now, want) => {
    const seen = before === undefined ? new Map<string, number>() : new Map([['a', before]]);
    const uses = [{ key: 'a', used: now, limit: 120 }];
    expect(nextWalkMs(seen, uses, 10_000, 60_000)).toBe(want);
  });

  test('storageUses() names each limit of a pod once', () => {
    const names = storageUses(limited, usage(), false).map(({ key }) => key);
    expect(names).toEqual(['limited volume scratch', 'limited', 'limited container main']);
  });

  test('hasStorageLimit() spares those that have none from being measured', () => {
    expect(hasStorageLimit(limited)).toBe(true);
    expect(hasStorageLimit(pod('free', { volumes: [{ name: 'v', emptyDir: {} }] }))).toBe(false);
  });
});

describe('admitUnderPressure()', () => {
  const critical = pod('critical', { priority: 2_000_000_000 });
  const tolerant = pod('tolerant', {
    tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }],
  });
  const guest = asking('guest', { memory: '1Mi' });
  test.each<[string, Pod, readonly PressureCondition[], string | undefined]>([
    ['no pressure', pod('p'), [], undefined],
    [
      'memory, best effort',
      pod('p'),
      ['MemoryPressure'],
      'Pod was rejected: The node had condition: [MemoryPressure]. ',
    ],
    ['memory, but it says what it needs', guest, ['MemoryPressure'], undefined],
    ['memory, tolerated', tolerant, ['MemoryPressure'], undefined],
    [
      'disk, tolerating memory',
      tolerant,
      ['DiskPressure'],
      'Pod was rejected: The node had condition: [DiskPressure]. ',
    ],
    [
      'both',
      guest,
      ['MemoryPressure', 'PIDPressure'],
      'Pod was rejected: The node had condition: [MemoryPressure PIDPressure]. ',
    ],
    ['critical', critical, ['DiskPressure'], undefined],
    ['static', pod('s', {}, { 'kubernetes.io/config.source': 'file' }), ['DiskPressure'], undefined],
    ['mirror', pod('m', {}, { 'kubernetes.io/config.mirror': 'x' }), ['DiskPressure'], undefined],
  ])('%s', (_, p, conditions, want) => {
    expect(admitUnderPressure(p, conditions)?.message).toBe(want);
  });
});
