import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import { EvictionManager } from './eviction-manager.ts';
import type { PodUsage } from './plan/pod-usage.ts';
import type { Signal, Threshold } from './plan/thresholds.ts';
import { StorageLimitWatch } from './storage-limit-watch.ts';

const MI = 1 << 20;
const hard = (signal: Signal, value: number, gracePeriodMs = 0): Threshold => ({
  signal,
  amount: { kind: 'count', value },
  gracePeriodMs,
  minimumReclaim: undefined,
});
const pod = (name: string, more: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name, uid: name, namespace: 'ns' },
  spec: { containers: [{ name: 'main' }], ...more },
});

/** A node on which pods use what `using` says, in MiB; ending one takes `endsAfterMs` and gives it back. */
function setup(options: {
  thresholds: Threshold[];
  pods: Pod[];
  using: Record<string, number>;
  maxGrace?: number;
  garbage?: number;
}) {
  const clock = new FakeClock();
  const active = new Map(options.pods.map(p => [p.metadata.name ?? '', p]));
  const ending = new Set<string>();
  const verdicts = new Map<string, PodVerdict>();
  const told: string[] = [];
  const state = { left: 1_000, looks: 0, measured: 0, garbage: options.garbage ?? 0 };
  const use = (name: string): PodUsage => ({
    memoryBytes: (options.using[name] ?? 0) * MI,
    processes: 1,
    containers: [],
    volumes: new Map([['scratch', { bytes: (options.using[name] ?? 0) * MI, inodes: 1 }]]),
  });
  const measure = async (pods: readonly Pod[]) => {
    state.measured++;
    return new Map(pods.map(p => [p.metadata.name ?? '', use(p.metadata.name ?? '')]));
  };
  const manager = new EvictionManager({
    thresholds: options.thresholds,
    transitionMs: 300_000,
    maxPodGraceSeconds: options.maxGrace ?? 0,
    storageLimits: new StorageLimitWatch({
      meter: { disksOf: measure },
      longestWalkMs: 60_000,
      lastWalkMs: () => 0,
      clock,
    }),
    observe: async () => {
      state.looks++;
      const seen = { available: state.left, capacity: 1_000 };
      return new Map((['memory.available', 'nodefs.available'] as const).map(signal => [signal, seen] as const));
    },
    layout: async () => ({ dedicatedImageFs: false, splitContainerFs: false }),
    meter: { all: measure },
    pods: {
      active: () => [...active.values()],
      end: (uid, verdict) => {
        verdicts.set(uid, verdict);
        active.delete(uid);
        ending.add(uid);
      },
      hasEnded: uid => !ending.has(uid),
    },
    garbage: {
      removeEnded: async () => void told.push('removeEnded'),
      removeUnusedImages: async () => {
        told.push('removeUnusedImages');
        state.left += state.garbage;
      },
      removePod: async uid => void told.push(`removePod ${uid}`),
    },
    recorder: { event: (subject, _, reason) => void told.push(`${subject.name} ${reason}`) },
    node: { name: 'n' },
    onConditions: () => undefined,
    onEvicted: signal => void told.push(`counted ${signal}`),
    clock,
    logger: silentLogger,
  });
  const stop = new AbortController();
  const done = manager.run(stop.signal);
  return { manager, clock, verdicts, told, state, ending, close: () => (stop.abort(), done) };
}

describe('EvictionManager', () => {
  test('looks at rest without measuring any pod', async () => {
    const node = setup({ thresholds: [hard('memory.available', 100)], pods: [pod('a')], using: {} });
    await node.clock.advance(60_000);
    expect([node.state.looks, node.state.measured, node.verdicts.size]).toEqual([7, 0, 0]);
    expect(node.manager.admit(pod('new'))).toBeUndefined();
    await node.close();
  });

  test('ends one pod, and the next only when the first has ended and it was not enough', async () => {
    const node = setup({
      thresholds: [hard('memory.available', 100)],
      pods: [pod('small'), pod('big'), pod('vital', { priority: 2_000_000_000 })],
      using: { small: 10, big: 500, vital: 900 },
    });
    await node.clock.advance(10_000);
    node.state.left = 50;
    await node.clock.advance(10_000);
    expect([...node.verdicts.keys()]).toEqual(['big']);
    expect(node.verdicts.get('big')).toMatchObject({ reason: 'Evicted', graceSeconds: 1 });
    expect(node.verdicts.get('big')?.disruption).toMatch(/^The node was low on resource: memory\. /);
    expect(node.manager.conditions).toEqual(['MemoryPressure']);
    expect(node.manager.admit(pod('new'))?.reason).toBe('Evicted');
    await node.clock.advance(5_000);
    expect(node.verdicts.size).toBe(1);
    node.ending.delete('big');
    await node.clock.advance(1_000);
    expect([...node.verdicts.keys()]).toEqual(['big', 'small']);
    expect(node.told).toEqual(
      expect.arrayContaining(['removePod big', 'counted memory.available', 'n EvictionThresholdMet']),
    );
    node.ending.delete('small');
    await node.clock.advance(60_000);
    expect(node.verdicts.has('vital')).toBe(false);
    await node.close();
  });

  test('spares pods when garbage is enough', async () => {
    const setting = { thresholds: [hard('nodefs.available', 100)], pods: [pod('a')], using: { a: 5 } };
    const node = setup({ ...setting, garbage: 500 });
    node.state.left = 50;
    await node.clock.advance(10_000);
    expect(node.told).toEqual(expect.arrayContaining(['removeEnded', 'removeUnusedImages']));
    expect(node.verdicts.size).toBe(0);
    await node.close();
  });

  test('leaves a pod under a soft threshold its own grace, up to the configured one', async () => {
    const spec = { terminationGracePeriodSeconds: 20 };
    const node = setup({
      thresholds: [hard('memory.available', 100, 30_000)],
      pods: [pod('a', spec)],
      using: { a: 5 },
      maxGrace: 60,
    });
    node.state.left = 50;
    await node.clock.advance(25_000);
    expect(node.verdicts.size).toBe(0);
    await node.clock.advance(20_000);
    expect(node.verdicts.get('a')?.graceSeconds).toBe(20);
    await node.close();
  });

  test('ends a pod that lays more into a volume than it may, and tells no disruption', async () => {
    const limited = (name: string) => pod(name, { volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '50Mi' } }] });
    const node = setup({
      thresholds: [],
      pods: [limited('over'), limited('under'), pod('free')],
      using: { over: 51, under: 50 },
    });
    await node.clock.advance(10_000);
    expect([...node.verdicts]).toEqual([
      [
        'over',
        {
          reason: 'Evicted',
          message: 'Usage of EmptyDir volume "scratch" exceeds the limit "50Mi". ',
          graceSeconds: 1,
        },
      ],
    ]);
    expect(node.told).toContain('counted emptydirfs.limit');
    const { measured } = node.state;
    node.ending.clear();
    await node.clock.advance(120_000);
    // What neither grows nor is near its limit is looked at once a minute; this one is near.
    expect(node.state.measured - measured).toBeGreaterThanOrEqual(10);
    await node.close();
  });
});
