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
import { GarbageCollector, type GarbageCollectorOptions } from './garbage-collector.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'garbage-collector-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function setup(containers: unknown[], images: { id: string; repoTags: string[]; pinned?: boolean }[]) {
  const clock = new FakeClock();
  const removed: string[] = [];
  const remove = async (id: string) => {
    if (id === 'stuck') throw new Error('in use by a snapshot');
    removed.push(id);
  };
  const collector = new GarbageCollector({
    runtime: { removeContainer: remove } as unknown as RuntimeService,
    images: {
      listImages: async () => images.map(image => ({ repoDigests: [], size: 1n, pinned: false, ...image })),
      removeImage: ({ image }: { image: string }) => remove(image),
    } as unknown as ImageService,
    cache: {
      views: () => [{ uid: 'u', namespace: 'ns', name: 'p', sandboxes: [], containers }],
      drop: () => undefined,
    } as unknown as PodCache,
    folders: { root: folder, podLogs: join(folder, 'logs'), containerLogs: join(folder, 'links') },
    clock,
    logger: silentLogger,
    imagePolicy: { highPercent: 0, lowPercent: 0, minAgeMs: 1_000, maxAgeMs: 0 },
  } as unknown as GarbageCollectorOptions);
  return { collector, clock, removed };
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

  test('collectImages() leaves what runs, what is pinned and its own; one that is stuck keeps no other', async () => {
    const running = [{ state: 'running', imageRef: 'used', image: 'x:1' }];
    const { collector, clock, removed } = setup(running, [
      { id: 'stuck', repoTags: [] },
      { id: 'used', repoTags: ['x:1'] },
      { id: 'pause', repoTags: [PAUSE_IMAGE] },
      { id: 'pinned', repoTags: [], pinned: true },
      { id: 'idle', repoTags: ['y:1'] },
    ]);
    await collector.collectImages();
    // Seen for the first time: too young.
    expect(removed).toEqual([]);
    await clock.advance(1_000);
    await collector.collectImages();
    expect(removed).toEqual(['idle']);
  });
});
