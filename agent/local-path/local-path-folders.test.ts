import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PersistentVolume } from '../../proto/api/core-v1.ts';
import { LocalPathFolders } from './local-path-folders.ts';

const name = 'pvc-0a1b2c3d-0000-4000-8000-000000000001';
const { signal } = new AbortController();
let home: string;
let root: string;
let folders: LocalPathFolders;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'local-path-'));
  root = join(home, 'volumes');
  folders = new LocalPathFolders(root, join(home, 'records'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const volume = (path = join(root, name), more: object = {}): PersistentVolume => ({
  metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': 'k8ts.io/local-path' }, ...more },
  spec: { local: { path } },
});
const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;
const left = async (path: string): Promise<string[]> => (await readdir(path)).sort();

test('make() makes a folder that any user may write to, out of reach of others', async () => {
  await folders.make(volume());
  await folders.make(volume());
  expect(await mode(join(root, name))).toBe(0o777);
  expect(await mode(root)).toBe(0o700);
  expect(await left(root)).toEqual(['.removing', name]);
});

test('make() makes one folder for all pods that start at once', async () => {
  await Promise.all(Array.from({ length: 8 }, () => folders.make(volume())));
  expect(await left(root)).toEqual(['.removing', name]);
});

test.each([
  { what: 'elsewhere', path: '/elsewhere' },
  { what: 'of others', path: undefined, more: { annotations: {} } },
  { what: 'of another name', path: undefined, more: { name: '..' } },
])('make() leaves volumes $what alone', async ({ path, more }) => {
  await folders.make(volume(path, more));
  await expect(readdir(root)).rejects.toThrow('ENOENT');
});

test('make() does not replace a folder that was there before', async () => {
  await folders.make(volume());
  await rename(root, join(home, 'unmounted'));
  await expect(folders.make(volume())).rejects.toThrow(`volume "${name}" is gone; is the disk that has it mounted?`);
});

test('make() makes none for a volume that is being deleted, and keeps one that is there', async () => {
  const going = (): PersistentVolume => {
    const { metadata, spec } = volume();
    return { metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' }, spec };
  };
  await expect(folders.make(going())).rejects.toThrow('is being deleted');
  await folders.make(volume());
  await folders.make(going());
});

test('remove() removes the folder and follows no link', async () => {
  await folders.make(volume());
  const precious = join(home, 'precious');
  await mkdir(precious);
  await writeFile(join(precious, 'data'), 'x');
  await mkdir(join(root, name, 'deep'));
  await symlink(precious, join(root, name, 'deep', 'link'));
  await symlink('/', join(root, name, 'all'));
  expect((await folders.remove([name], signal)).size).toBe(0);
  expect((await folders.remove([name], signal)).size).toBe(0);
  expect(await left(root)).toEqual(['.removing']);
  expect(await left(join(root, '.removing'))).toEqual([]);
  expect(await left(precious)).toEqual(['data']);
  expect(await left(join(home, 'records'))).toEqual([]);
});

test('remove() of a link in the place of a folder touches nothing', async () => {
  const precious = join(home, 'precious');
  await mkdir(root);
  await mkdir(precious);
  await symlink(precious, join(root, name));
  expect((await folders.remove([name], signal)).size).toBe(0);
  expect(await left(home)).toContain('precious');
});

test('remove() finds a folder where it was made, and ends what was begun', async () => {
  await folders.make(volume());
  const moved = new LocalPathFolders(join(home, 'other'), join(home, 'records'));
  await rename(join(root, name), join(root, '.removing', name));
  expect((await moved.remove([name], signal)).size).toBe(0);
  expect(await left(join(root, '.removing'))).toEqual([]);
});

test('remove() does not take a folder for removed whose disk is not mounted', async () => {
  await folders.make(volume());
  await rename(root, join(home, 'unmounted'));
  await mkdir(root);
  const record = join(home, 'records', name);
  const why = `${join(root, name)} is not there: is its disk mounted? If it is gone for good, remove ${record}`;
  expect((await folders.remove([name], signal)).get(name)?.message).toBe(why);
  await rm(record);
  expect((await folders.remove([name], signal)).size).toBe(0);
});

test.each(['', '.', '..', '../x', 'pvc-', `${name}/..`, `x${name}`])('remove() refuses the name %j', async bad => {
  const kept = await folders.remove([bad, name], signal);
  expect([...kept].map(([which, { message }]) => [which, message])).toEqual([
    [bad, `${JSON.stringify(bad)} is no name of a volume`],
  ]);
});
