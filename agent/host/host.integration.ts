/** What needs root: mounts, control groups, kernel parameters, in a folder, groups and a network namespace of the test's own. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { detectCgroups } from './cgroup-layout.ts';
import { readCgroupStats } from './cgroup-stats.ts';
import { ensureCgroup, firstCgroupProcess, listCgroups, removeCgroupTree } from './cgroup-tree.ts';
import { startDaemon } from './daemon.ts';
import { run } from './exec.ts';
import { Links } from './links.ts';
import { isMountPoint, readMountinfo } from './mountinfo.ts';
import { makeShared, mountHugepages, mountTmpfs } from './mounts.ts';
import { sendSignal } from './processes.ts';
import { releaseMounts } from './release-mounts.ts';
import { Sysctls } from './sysctl.ts';

const dir = mkdtempSync(join(tmpdir(), 'k8ts-hostint-'));
const group = `/k8ts-hostint-${process.pid}`;

afterAll(async () => {
  await releaseMounts(dir);
  await removeCgroupTree(await detectCgroups(), group);
  rmSync(dir, { recursive: true });
});

test('tmpfs: made once, with size and mode, taken away with all above it', async () => {
  const path = join(dir, 'a b', 'tmp');
  await mountTmpfs(path, { sizeBytes: 1 << 20, mode: 0o700 });
  await mountTmpfs(path);
  const mounts = (await readMountinfo()).filter(m => m.mountPoint === path);
  expect(mounts).toHaveLength(1);
  expect(mounts[0]?.superOptions).toContain('size=1024k');
  expect(statSync(path).mode & 0o777).toBe(0o700);
  await mountTmpfs(join(path, 'inner'));
  expect(await releaseMounts(join(dir, 'a b'))).toEqual([join(path, 'inner'), path]);
  await releaseMounts(path);
});

test('huge pages: a file system of pages of the size that is asked for', async () => {
  const path = join(dir, 'huge');
  await mountHugepages(path, 2 << 20);
  await mountHugepages(path, 2 << 20);
  const mounts = (await readMountinfo()).filter(m => m.mountPoint === path);
  expect(mounts).toMatchObject([{ fsType: 'hugetlbfs' }]);
  expect(mounts[0]?.superOptions).toContain('pagesize=2M');
  await releaseMounts(path);
});

test('one view of two is detached though it is busy', async () => {
  const [source, target] = [join(dir, 'source'), join(dir, 'target')];
  await Promise.all([mkdir(source), mkdir(target)]);
  await run(['mount', '--bind', source, target]);
  const pid = await startDaemon({ argv: ['sh', '-c', `cd ${target} && exec sleep 60`], logPath: join(dir, 'log') });
  expect(await releaseMounts(target)).toEqual([target]);
  expect(isMountPoint(await readMountinfo(), target)).toBe(false);
  sendSignal(pid, 'SIGKILL');
});

test('makeShared() twice mounts once', async () => {
  const path = join(dir, 'shared');
  await makeShared(path);
  await makeShared(path);
  const mounts = (await readMountinfo()).filter(m => m.mountPoint === path);
  expect(mounts).toHaveLength(1);
  expect(mounts[0]?.propagation.join()).toContain('shared:');
  await releaseMounts(path);
});

test('control groups: limits are in force, usage is counted, all goes away', async () => {
  const layout = await detectCgroups();
  await ensureCgroup(layout, `${group}/burstable/pod1`, {
    cpuShares: 512,
    cpuQuota: { quotaMicros: 50_000, periodMicros: 100_000 },
    memoryBytes: 64 << 20,
    pids: 20,
  });
  expect(await listCgroups(layout, `${group}/burstable`)).toEqual(['pod1']);
  const pid = await startDaemon({ argv: ['sleep', '60'], logPath: join(dir, 'log') });
  const memory = layout.shape === 'v2' ? layout.mountPoint : layout.controllers.get('memory');
  writeFileSync(`${memory}${group}/burstable/pod1/cgroup.procs`, String(pid));
  expect(await firstCgroupProcess(layout, group)).toBe(pid);
  const limit = layout.shape === 'v2' ? 'memory.max' : 'memory.limit_in_bytes';
  expect((await readFile(`${memory}${group}/burstable/pod1/${limit}`, 'utf8')).trim()).toBe(String(64 << 20));
  expect((await readCgroupStats(layout, group))?.memoryUsageBytes).toBeGreaterThanOrEqual(0);
  setTimeout(() => sendSignal(pid, 'SIGKILL'), 50);
  await removeCgroupTree(layout, group);
  expect(await readCgroupStats(layout, group)).toBeUndefined();
});

test('kernel parameters come back as they were', async () => {
  const path = join(dir, 'sysctl.json');
  const key = 'net.ipv4.neigh.default.gc_thresh3';
  const read = async () => (await readFile(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8')).trim();
  const before = await read();
  try {
    expect(await new Sysctls(path).set(key, String(Number(before) + 1))).toBe('set');
    expect(await new Sysctls(path).set(key, String(Number(before) + 2))).toBe('set');
  } finally {
    expect(await new Sysctls(path).undo()).toEqual([key]);
  }
  expect(await read()).toBe(before);
});

test('kernel parameters that are changed at once all come back', async () => {
  const sysctls = new Sysctls(join(dir, 'several.json'));
  const keys = [1, 2, 3].map(n => `net.ipv4.neigh.default.gc_thresh${n}`);
  const read = () =>
    Promise.all(keys.map(async key => (await readFile(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8')).trim()));
  const before = await read();
  try {
    const outcomes = await Promise.all(keys.map((key, i) => sysctls.set(key, String(Number(before[i]) + 1))));
    expect(outcomes).toEqual(['set', 'set', 'set']);
  } finally {
    expect(await sysctls.undo()).toEqual(keys);
  }
  expect(await read()).toEqual(before);
});

test('Links in a network namespace of its own', async () => {
  const links = new Links((argv, options) => run(['unshare', '--net', ...argv], options));
  expect((await links.list()).map(l => l.ifname)).toEqual(['lo']);
  expect(await links.routes()).toEqual([]);
  await links.batch(['link add b0 type bridge', 'link set b0 up']);
  await expect(links.batch(['link set nothing up'])).rejects.toMatchObject({ name: 'CommandError' });
});
