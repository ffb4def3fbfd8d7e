/** Files, links and mounts as they really are; needs root. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMountinfo } from '../../host/mountinfo.ts';
import { unmountBelow } from '../../host/mounts.ts';
import { readPayload, writePayload } from './atomic-writer.ts';
import { applyFsGroup } from './fs-group.ts';
import { mountSubPath } from './sub-path.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-volumes-'));
});
afterEach(async () => {
  await unmountBelow(dir);
  await rm(dir, { recursive: true, force: true });
});

const files = (entries: Record<string, string>) =>
  new Map(Object.entries(entries).map(([path, data]) => [path, { data: Buffer.from(data), mode: 0o640 }]));

test('writePayload() replaces everything by one rename and leaves no old version', async () => {
  await writePayload(dir, files({ a: '1', 'sub/b': '2' }), { groupId: undefined }, 0);
  const before = await readlink(join(dir, '..data'));
  await writePayload(dir, files({ a: '3' }), { groupId: undefined }, 1000);
  expect(await readlink(join(dir, '..data'))).not.toBe(before);
  expect((await readdir(dir)).filter(name => !name.startsWith('..'))).toEqual(['a']);
  expect((await readdir(dir)).length).toBe(3);
  expect(await readFile(join(dir, 'a'), 'utf8')).toBe('3');
  expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o640);
  expect(await readPayload(dir)).toEqual(files({ a: '3' }));
});

test('writePayload() gives files to the group and lets it read', async () => {
  await writePayload(dir, new Map([['t', { data: Buffer.from('x'), mode: 0o400 }]]), { groupId: 1234 }, 0);
  const { gid, mode } = await stat(join(dir, 't'));
  expect([gid, mode & 0o777]).toEqual([1234, 0o440]);
});

test('applyFsGroup() owns all below and keeps links alone', async () => {
  await writeFile(join(dir, 'f'), '');
  await symlink('/etc/hostname', join(dir, 'l'));
  const outside = (await stat('/etc/hostname')).gid;
  await applyFsGroup(dir, 4321, undefined);
  expect((await stat(join(dir, 'f'))).gid).toBe(4321);
  expect((await stat(dir)).mode & 0o2770).toBe(0o2770);
  expect((await stat('/etc/hostname')).gid).toBe(outside);
});

test('mountSubPath() mounts a folder that it makes, and a file that is there', async () => {
  const volume = join(dir, 'volume');
  await mkdir(volume);
  await mountSubPath(volume, 'a/b', join(dir, 'target'));
  await writeFile(join(dir, 'target', 'x'), 'seen');
  expect(await readFile(join(volume, 'a/b/x'), 'utf8')).toBe('seen');
  await mountSubPath(volume, 'a/b/x', join(dir, 'file'));
  expect(await readFile(join(dir, 'file'), 'utf8')).toBe('seen');
  expect((await readMountinfo()).filter(m => m.mountPoint.startsWith(dir)).length).toBe(2);
});

test.each(['../etc', '/etc', 'link', 'link/passwd', 'inside/../../x'])('mountSubPath() refuses %s', async subPath => {
  const volume = join(dir, 'volume');
  await mkdir(volume);
  await symlink('/etc', join(volume, 'link'));
  await expect(mountSubPath(volume, subPath, join(dir, 'target'))).rejects.toThrow('leads out of its volume');
});

test('mountSubPath() follows a link that stays inside, as configMap files are', async () => {
  const volume = join(dir, 'volume');
  await writePayload(volume, files({ key: 'value' }), { groupId: undefined }, 0);
  await mountSubPath(volume, 'key', join(dir, 'target'));
  expect(await readFile(join(dir, 'target'), 'utf8')).toBe('value');
});
