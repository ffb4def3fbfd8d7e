/** Files and links as they really are; needs root. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindSubPath } from '../../host/files/bind-sub-path.ts';
import { releaseMounts } from '../../host/release-mounts.ts';
import { readPayload, writePayload } from './atomic-writer.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-volumes-'));
});
afterEach(async () => {
  await releaseMounts(dir);
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

test('writePayload() gives files to the group and lets it read, or to the one user of the pod', async () => {
  const payload = new Map([
    ['t', { data: Buffer.from('x'), mode: 0o400 }],
    ['u', { data: Buffer.from('y'), mode: 0o600, userId: 77 }],
  ]);
  await writePayload(dir, payload, { groupId: 1234 }, 0);
  const [t, u] = [await stat(join(dir, 't')), await stat(join(dir, 'u'))];
  expect([t.uid, t.gid, t.mode & 0o777]).toEqual([0, 1234, 0o440]);
  expect([u.uid, u.gid, u.mode & 0o777]).toEqual([77, 1234, 0o640]);
  expect((await readPayload(dir))?.get('u')?.userId).toBe(77);
});

test('a key of a payload can be mounted by itself, though it is a link', async () => {
  const volume = join(dir, 'volume');
  await writePayload(volume, files({ key: 'value' }), { groupId: undefined }, 0);
  await bindSubPath(volume, 'key', join(dir, 'target'));
  expect(await readFile(join(dir, 'target'), 'utf8')).toBe('value');
  await writePayload(volume, files({ key: 'newer' }), { groupId: undefined }, 1000);
  await bindSubPath(volume, 'key', join(dir, 'target'));
  expect(await readFile(join(dir, 'target'), 'utf8')).toBe('newer');
});
