import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { NamespaceMode } from '../../../proto/cri/runtime.gen.ts';
import { UserNamespaces } from './user-namespaces.ts';

const PART = 65_536;
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'userns-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** As a kubelet that starts anew sees it. */
async function start(maxPods = 3): Promise<UserNamespaces> {
  const folders = { root, podLogs: '', containerLogs: '' };
  const namespaces = new UserNamespaces({ folders, idsPerPod: PART, maxPods, able: handler => handler === 'able' });
  await namespaces.load();
  return namespaces;
}

const pod = (uid: string, hostUsers: boolean | undefined = false): Pod => ({
  metadata: { uid },
  spec: { hostUsers, containers: [] },
});
const firstOf = async (namespaces: UserNamespaces, uid: string): Promise<number | undefined> =>
  (await namespaces.of(pod(uid)))?.uids?.[0]?.hostId;

test('each pod has ids of its own, the same ones again after a restart, and others get them when it is gone', async () => {
  const namespaces = await start();
  const ids = [{ hostId: PART, containerId: 0, length: PART }];
  expect(await namespaces.of(pod('a'))).toEqual({ mode: NamespaceMode.POD, uids: ids, gids: ids });
  expect(JSON.parse(await readFile(`${root}/pods/a/userns`, 'utf8'))).toEqual({ uidMappings: ids, gidMappings: ids });
  expect(await firstOf(namespaces, 'b')).toBe(2 * PART);
  const next = await start();
  expect(await firstOf(next, 'c')).toBe(3 * PART);
  expect(await firstOf(next, 'b')).toBe(2 * PART);
  next.release('a');
  expect(await firstOf(next, 'd')).toBe(PART);
});

test('pods that ask at once get different ids', async () => {
  const namespaces = await start();
  const got = await Promise.all(['a', 'b', 'c'].map(uid => firstOf(namespaces, uid)));
  expect(new Set(got).size).toBe(3);
});

test('when all are taken, those of pods whose folders are gone are free again', async () => {
  const namespaces = await start(1);
  await firstOf(namespaces, 'a');
  await expect(firstOf(namespaces, 'b')).rejects.toThrow('all 1 id ranges for user namespaces of pods are taken');
  await rm(`${root}/pods/a`, { recursive: true });
  expect(await firstOf(namespaces, 'b')).toBe(PART);
});

test('who shares the users of the node has none', async () => {
  const namespaces = await start();
  expect(await namespaces.of(pod('a', true))).toBeUndefined();
});

test('a handler of the runtime that cannot is refused by name', async () => {
  const namespaces = await start();
  expect(() => namespaces.check(pod('a'), '')).toThrow(
    "can't set `spec.hostUsers: false`, runtime does not support user namespaces",
  );
  expect(() => namespaces.check(pod('a'), 'kata')).toThrow('RuntimeClass handler "kata" does not support');
  expect(() => namespaces.check(pod('a'), 'able')).not.toThrow();
  expect(() => namespaces.check(pod('a', true), '')).not.toThrow();
});
