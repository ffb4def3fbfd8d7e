/** Real network namespaces, mounted where containerd mounts them. Needs root. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../../host/exec.ts';
import { StrayNamespaces } from './stray-namespaces.ts';

let state = '';
let directory = '';
const stop = new AbortController();

beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), 'strays-'));
  directory = join(state, 'io.containerd.grpc.v1.cri', 'netns');
  await mkdir(directory, { recursive: true });
  for (const name of ['cni-empty', 'cni-used', 'other']) {
    await writeFile(join(directory, name), '');
    await run(['unshare', '--net', 'mount', '--bind', '/proc/self/ns/net', join(directory, name)]);
  }
  const argv = [`--net=${join(directory, 'cni-used')}`, 'sh', '-c', 'echo in; exec sleep 100'];
  const child = spawn('nsenter', argv, {
    stdio: ['ignore', 'pipe', 'ignore'],
    signal: stop.signal,
    killSignal: 'SIGKILL',
  });
  child.on('error', () => {});
  await once(child.stdout, 'data');
});
afterAll(async () => {
  stop.abort();
  for (const name of await readdir(directory)) await run(['umount', join(directory, name)]).catch(() => {});
  await rm(state, { recursive: true });
});

test('those that are empty for long enough are taken away, and no others', async () => {
  const strays = new StrayNamespaces(state, 1_000);
  expect(await strays.look(0)).toEqual([]);
  expect(await strays.look(999)).toEqual([]);
  expect((await readdir(directory)).sort()).toEqual(['cni-empty', 'cni-used', 'other']);
  expect(await strays.look(1_000)).toEqual([join(directory, 'cni-empty')]);
  expect((await readdir(directory)).sort()).toEqual(['cni-used', 'other']);
});
