import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PreparedVolume } from '../volumes/volume-manager.ts';
import { readEnvFiles } from './env-files.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'env-files-'));
  const volume = join(folder, 'volume');
  mkdirSync(join(volume, 'below'), { recursive: true });
  writeFileSync(join(volume, 'below', 'a.env'), "A='1'");
  writeFileSync(join(folder, 'secret'), "A='secret'");
  symlinkSync('below/a.env', join(volume, 'inside'));
  symlinkSync('../secret', join(volume, 'outside'));
  symlinkSync(folder, join(volume, 'up'));
  symlinkSync('/dev/zero', join(volume, 'device'));
  execFileSync('mkfifo', [join(volume, 'pipe')]);
  writeFileSync(join(volume, 'huge'), '');
  truncateSync(join(volume, 'huge'), 1024 * 1024 + 1);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(path: string, volumeName = 'v'): Promise<string | undefined> {
  const env = [{ name: 'A', valueFrom: { fileKeyRef: { volumeName, path, key: 'A' } } }];
  const volumes = new Map([['v', { hostPath: join(folder, 'volume') } as PreparedVolume]]);
  return (await readEnvFiles({ name: 'c', env }, volumes)).get(`${volumeName}/${path}`);
}

test.each([
  ['below/a.env', "A='1'"],
  ['inside', "A='1'"],
  ['nowhere', undefined],
])('readEnvFiles() of %s', async (path, want) => {
  expect(await read(path)).toBe(want);
});

test.each([
  ['outside', '"outside": it lies outside'],
  ['up/secret', 'it lies outside'],
  ['pipe', 'it is no regular file'],
  ['below', 'it is no regular file'],
  ['device', 'it lies outside'],
  ['huge', 'it is larger than 1 MiB'],
  ['inside/x', 'cannot read environment variable file "inside/x"'],
])('readEnvFiles() refuses %s', async (path, want) => {
  await expect(read(path)).rejects.toThrow(want);
});

test('readEnvFiles() names a volume that the pod does not have', async () => {
  await expect(read('a', 'w')).rejects.toThrow('cannot find the volume "w" referenced by FileKeyRef');
});
