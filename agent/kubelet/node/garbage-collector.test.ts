import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { PAUSE_IMAGE } from '../runtime/images/own-images.ts';
import type { ImageService, RuntimeService } from '../runtime/runtime-service.ts';
import { ImageCollector } from './image-collector.ts';
import { GarbageCollector, type GarbageCollectorOptions } from './garbage-collector.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'garbage-collector-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function setup(containers: unknown[], images: { id: string; repoTags: string[]; pinned?: boolean }[]) {
  const clock = new FakeClock();
  const removed: string[] = [];
  const events: string[] = [];
  const orphans = { groups: [] as string[], removed: [] as string[], ended: 0 };
  const remove = async (id: string) => {
    if (id === 'stuck') throw new Error('in use by a snapshot');
    removed.push(id);
  };
  const shared = {
    cache: {
      views: () => [{ uid: 'u', namespace: 'ns', name: 'p', sandboxes: [], containers }],
      view: (uid: string) =>
        uid === 'u' ? { uid, namespace: 'ns', name: 'p', sandboxes: [{ id: 'sandbox' }], containers } : undefined,
      drop: () => undefined,
      relist: async () => undefined,
    } as unknown as PodCache,
    recorder: { event: (_: unknown, __: unknown, reason: string) => void events.push(reason) },
    node: { name: 'n' },
    clock,
    logger: silentLogger,
  };
  const policy = { highPercent: 0, lowPercent: 0, minAgeMs: 1_000, maxAgeMs: 0 };
  const imageCollector = new ImageCollector({
    ...shared,
    images: {
      listImages: async () => images.map(image => ({ repoDigests: [], size: 1n, pinned: false, ...image })),
      removeImage: ({ image }: { image: string }) => remove(image),
    } as unknown as ImageService,
    filesystem: { places: async () => ({ images: folder, containers: folder }) },
    livePods: () => [{ metadata: {}, spec: { containers: [{ name: 'c', image: 'waited-for' }] } }],
    policy,
    onRemoved: () => undefined,
  });
  const collector = new GarbageCollector({
    ...shared,
    runtime: { removeContainer: remove, removePodSandbox: remove } as unknown as RuntimeService,
    images: imageCollector,
    folders: { root: folder, podLogs: join(folder, 'logs'), containerLogs: join(folder, 'links') },
    volumes: { listOnDisk: async () => [], teardown: async () => undefined },
    cgroups: {
      listPods: async () => orphans.groups,
      removePod: async (uid: string) => void orphans.removed.push(uid),
    },
    isKnown: (uid: string) => ['u', 'known'].includes(uid),
    endOrphans: () => orphans.ended++,
    hasEnded: () => true,
  } as unknown as GarbageCollectorOptions);
  return { collector, imageCollector, clock, removed, events, orphans };
}

describe('GarbageCollector', () => {
  test('collectContainers() takes logs and messages of old attempts along', async () => {
    const logs = join(folder, 'logs', 'c');
    const links = join(folder, 'links');
    for (const path of [logs, links]) mkdirSync(path, { recursive: true });
    const containers = [2, 1, 0].map(attempt => {
      const message = join(folder, `message-${attempt}`);
      const logPath = join(logs, `${attempt}.log`);
      for (const file of [message, logPath, `${logPath}.20260101-000000.gz`, join(links, `p_ns_c-id${attempt}.log`)])
        writeFileSync(file, '');
      const annotations = { [CRI_KEYS.terminationMessageFile]: message };
      return { id: `id${attempt}`, name: 'c', state: 'exited', attempt, createdAtMs: 0, logPath, annotations };
    });
    const { collector, removed } = setup(containers, []);
    await collector.collectContainers();
    expect(removed).toEqual(['id0']);
    expect(readdirSync(logs).filter(name => name.startsWith('0.'))).toEqual([]);
    expect(readdirSync(logs)).toHaveLength(4);
    expect(readdirSync(links).sort()).toEqual(['p_ns_c-id1.log', 'p_ns_c-id2.log']);
    expect(readdirSync(folder).filter(name => name.startsWith('message'))).toEqual(['message-1', 'message-2']);
  });

  test('removeEnded() leaves nothing of a pod that has ended', async () => {
    const exited = (id: string) => ({ id, name: 'c', state: 'exited', createdAtMs: 0, logPath: '', annotations: {} });
    const { collector, removed } = setup([exited('newest'), exited('older')], []);
    await collector.removeEnded();
    expect(removed).toEqual(['newest', 'older', 'sandbox']);
  });

  test('collectOrphans() takes at once what is left at the start, later only what nobody knew a minute before either', async () => {
    const { collector, orphans } = setup([], []);
    const stop = new AbortController();
    orphans.groups = ['old'];
    await collector.collectOrphans(stop.signal);
    expect(orphans.removed).toEqual(['old']);
    orphans.groups = ['new', 'known'];
    await collector.collectOrphans(stop.signal);
    expect(orphans.removed).toEqual(['old']);
    orphans.groups = ['new', 'newer', 'known'];
    await collector.collectOrphans(stop.signal);
    expect(orphans.removed).toEqual(['old', 'new']);
  });

  test('each minute the runtime is listed and its pods that nobody knows are ended', async () => {
    const { collector, clock, orphans } = setup([], []);
    const stop = new AbortController();
    await collector.collectOrphans(stop.signal);
    const running = collector.run(stop.signal);
    await clock.advance(60_000);
    expect(orphans.ended).toBe(1);
    stop.abort();
    await running;
  });
});

describe('ImageCollector', () => {
  test('leaves what runs, what is waited for, what is pinned and its own; one that is stuck keeps no other', async () => {
    const running = [{ state: 'running', imageRef: 'used', image: 'x:1' }];
    const { imageCollector, removed, events } = setup(running, [
      { id: 'stuck', repoTags: [] },
      { id: 'used', repoTags: ['x:1'] },
      { id: 'pause', repoTags: [PAUSE_IMAGE] },
      { id: 'pinned', repoTags: [], pinned: true },
      { id: 'wanted', repoTags: ['docker.io/library/waited-for:latest'] },
      { id: 'idle', repoTags: ['y:1'] },
    ]);
    // The disk is fuller than nothing, and no image here is worth that much.
    await expect(imageCollector.collect()).rejects.toThrow(/Attempted to free \d+ bytes, but only found 1 bytes/);
    expect(removed).toEqual(['idle']);
    expect(events).toEqual(['FreeDiskSpaceFailed']);
  });

  test('what came since it looked first must grow old before it goes', async () => {
    const images = [{ id: 'first', repoTags: [] }];
    const { imageCollector, clock, removed } = setup([], images);
    await imageCollector.removeUnused();
    images.push({ id: 'second', repoTags: [] });
    await imageCollector.removeUnused();
    expect(new Set(removed)).toEqual(new Set(['first']));
    await clock.advance(1_000);
    await imageCollector.removeUnused();
    expect(removed).toContain('second');
  });
});
