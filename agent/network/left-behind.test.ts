import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Attachments } from './attachments.ts';
import { clearLeftBehind } from './left-behind.ts';
import { renderCniConfig } from './plan/cni-config.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
let dir = '';
let ipamDir = '';
let cacheDir = '';

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'left-behind-'));
  [ipamDir, cacheDir] = [path.join(dir, 'ipam'), path.join(dir, 'cache')];
  await mkdir(path.join(ipamDir, 'k8ts'), { recursive: true });
  await mkdir(cacheDir);
});
afterEach(() => rm(dir, { recursive: true }));

async function write(file: string, text: string, ageMinutes: number): Promise<void> {
  await writeFile(file, text);
  const seconds = NOW_MS / 1_000 - ageMinutes * 60;
  await utimes(file, seconds, seconds);
}
const reserve = (address: string, id: string, ageMinutes: number) =>
  write(path.join(ipamDir, 'k8ts', address), `${id}\r\neth0`, ageMinutes);
const remember = (id: string, ageMinutes: number, ofDir = ipamDir) => {
  const options = { podCIDRs: [], bridge: 'k8ts0', mtu: 1500, portmap: false, localServiceIPs: [], ipamDir: ofDir };
  const interfaces = [{ name: 'k8ts0' }, { name: 'veth1' }, { name: 'eth0', sandbox: '/n' }];
  const config = Buffer.from(renderCniConfig(options)).toString('base64');
  const text = JSON.stringify({ containerId: id, ifName: 'eth0', config, result: { interfaces, ips: [] } });
  return write(path.join(cacheDir, `k8ts-${id}-eth0`), text, ageMinutes);
};
const clear = (...known: string[]) =>
  clearLeftBehind(
    { ipamDir, attachments: new Attachments({ cacheDir, ipamDir }), sandboxIds: () => Promise.resolve(new Set(known)) },
    NOW_MS,
  );

test('what is of no sandbox, and old, is given back; all else stays', async () => {
  await reserve('10.244.0.2', 'gone', 11);
  await reserve('fd00:1::2', 'gone', 11);
  await reserve('10.244.0.3', 'lives', 11);
  await reserve('10.244.0.4', 'young', 9);
  await write(path.join(ipamDir, 'k8ts', 'last_reserved_ip.0'), '10.244.0.4', 99);
  await write(path.join(ipamDir, 'k8ts', 'lock'), '', 99);
  await remember('gone', 11);
  await remember('lives', 11);
  await remember('young', 9);
  await remember('elsewhere', 11, '/other');
  expect((await clear('lives')).sort()).toEqual(['10.244.0.2', 'fd00:1::2', 'gone']);
  expect((await readdir(path.join(ipamDir, 'k8ts'))).sort()).toEqual([
    '10.244.0.3',
    '10.244.0.4',
    'last_reserved_ip.0',
    'lock',
  ]);
  expect((await readdir(cacheDir)).sort()).toEqual(['k8ts-elsewhere-eth0', 'k8ts-lives-eth0', 'k8ts-young-eth0']);
});

test('nothing is given back while the runtime does not answer, or where nothing is', async () => {
  await reserve('10.244.0.2', 'gone', 11);
  const attachments = new Attachments({ cacheDir, ipamDir });
  const silent = { ipamDir, attachments, sandboxIds: () => Promise.reject(new Error('silent')) };
  await expect(clearLeftBehind(silent, NOW_MS)).rejects.toThrow('silent');
  expect(await readdir(path.join(ipamDir, 'k8ts'))).toEqual(['10.244.0.2']);
  await rm(ipamDir, { recursive: true });
  expect(await clear()).toEqual([]);
});
