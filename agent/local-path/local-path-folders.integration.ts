/** What lies in somebody's view is not removed, and what somebody mounted in a folder stays whole. Needs root. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../host/exec.ts';
import { LocalPathFolders } from './local-path-folders.ts';

jest.setTimeout(30_000);

const name = 'pvc-0a1b2c3d-0000-4000-8000-000000000002';
const { signal } = new AbortController();
let home: string;
let folder: string;
let folders: LocalPathFolders;
let holder: ChildProcess | undefined;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'local-path-'));
  folder = join(home, 'volumes', name);
  folders = new LocalPathFolders(join(home, 'volumes'), join(home, 'records'));
  await folders.make({
    metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': 'k8ts.io/local-path' } },
    spec: { local: { path: folder } },
  });
  await writeFile(join(folder, 'data'), 'x');
});
afterEach(async () => {
  holder?.kill('SIGKILL');
  holder = undefined;
  await rm(home, { recursive: true, force: true });
});

const remove = async (): Promise<string | undefined> => (await folders.remove([name], signal)).get(name)?.message;

/** A process that has mounted something where nobody else sees it, as a container has. */
async function mountApart(from: string, to: string): Promise<ChildProcess> {
  const script = 'mount --bind "$0" "$1" && echo ready && exec sleep 1000';
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, from, to], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

test('remove() waits while a process has the folder, or a part of it, mounted', async () => {
  const there = join(home, 'there');
  await mkdir(there);
  await mkdir(join(folder, 'part'));
  for (const from of [folder, join(folder, 'part')]) {
    holder = await mountApart(from, there);
    expect(await remove()).toBe(`${folder} is still in use: process ${holder.pid} has it mounted on ${there}`);
    holder.kill('SIGKILL');
    await once(holder, 'close');
  }
  expect(existsSync(join(folder, 'data'))).toBe(true);
  expect(await remove()).toBeUndefined();
  expect(existsSync(folder)).toBe(false);
});

test('remove() sees who has the folder mounted also where a link leads to it', async () => {
  const there = join(home, 'there');
  await mkdir(there);
  await rename(join(home, 'volumes'), join(home, 'disk'));
  await symlink(join(home, 'disk'), join(home, 'volumes'));
  holder = await mountApart(folder, there);
  expect(await remove()).toContain('is still in use');
  expect(existsSync(join(folder, 'data'))).toBe(true);
  holder.kill('SIGKILL');
  await once(holder, 'close');
  expect(await remove()).toBeUndefined();
  expect(existsSync(folder)).toBe(false);
});

test('remove() is not kept by who calls something of his own like the folder', async () => {
  const other = join(home, 'other');
  await mkdir(other);
  holder = await mountApart(other, folder);
  expect(await remove()).toBeUndefined();
  expect(existsSync(folder)).toBe(false);
});

test('remove() enters nothing that is mounted in the folder', async () => {
  const [precious, inside] = [join(home, 'precious'), join(folder, 'inside')];
  await mkdir(precious);
  await mkdir(inside);
  await writeFile(join(precious, 'data'), 'x');
  await run(['mount', '--bind', precious, inside]);
  try {
    expect(await remove()).toContain('is still in use');
  } finally {
    await run(['umount', inside]);
  }
  expect(await remove()).toBeUndefined();
  expect([existsSync(folder), existsSync(join(precious, 'data'))]).toEqual([false, true]);
});
