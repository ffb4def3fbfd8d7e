import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CgroupLayout } from './cgroup-layout.ts';
import { parseKeyed, readCgroupStats } from './cgroup-stats.ts';
import { cpuWeight, ensureCgroup, limitFiles } from './cgroup-tree.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test.each([
  [2, 1],
  [0, 1],
  [1024, 39],
  [262_144, 10_000],
  [1_000_000, 10_000],
])('cpuWeight() of %i shares is %i', (shares, weight) => expect(cpuWeight(shares)).toBe(weight));

test('limitFiles() names the files of each version, the period before the quota', () => {
  const limits = {
    cpuShares: 512,
    cpuQuota: { quotaMicros: 50_000, periodMicros: 100_000 },
    memoryBytes: 1000,
    pids: 7,
  };
  const written = (shape: CgroupLayout['shape']) => limitFiles(shape, limits).map(f => `${f.file}=${f.value}`);
  expect(written('v2')).toEqual(['cpu.weight=20', 'cpu.max=50000 100000', 'memory.max=1000', 'pids.max=7']);
  expect(written('hybrid')).toEqual([
    'cpu.shares=512',
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=50000',
    'memory.limit_in_bytes=1000',
    'pids.max=7',
  ]);
  expect(limitFiles('v1', { memoryBytes: 'max', cpuQuota: 'max' }).map(f => f.value)).toEqual(['-1', '-1']);
  expect(limitFiles('v2', {})).toEqual([]);
});

describe('on v2', () => {
  test('ensureCgroup() hands controllers down from every parent', async () => {
    for (const dir of ['', 'a', 'a/b']) {
      mkdirSync(join(root, dir), { recursive: true });
      writeFileSync(join(root, dir, 'cgroup.controllers'), 'cpuset cpu io memory pids\n');
      writeFileSync(join(root, dir, 'cgroup.subtree_control'), dir === '' ? 'cpuset cpu io memory\n' : '');
    }
    await ensureCgroup({ shape: 'v2', mountPoint: root }, '/a/b', { pids: 5 });
    expect(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8')).toBe('+pids');
    expect(readFileSync(join(root, 'a/cgroup.subtree_control'), 'utf8')).toBe('+io');
    expect(readFileSync(join(root, 'a/b/cgroup.subtree_control'), 'utf8')).toBe('');
    expect(readFileSync(join(root, 'a/b/pids.max'), 'utf8')).toBe('5');
  });

  test('readCgroupStats() reads usage and working set', async () => {
    const layout: CgroupLayout = { shape: 'v2', mountPoint: root };
    expect(await readCgroupStats(layout, '/x')).toBeUndefined();
    mkdirSync(join(root, 'x'));
    writeFileSync(join(root, 'x/cpu.stat'), 'usage_usec 1500\nuser_usec 1000\n');
    writeFileSync(join(root, 'x/memory.current'), '1000\n');
    writeFileSync(join(root, 'x/memory.stat'), 'anon 600\nfile 400\ninactive_file 300\n');
    writeFileSync(join(root, 'x/pids.current'), '3\n');
    expect(await readCgroupStats(layout, '/x')).toEqual({
      cpuUsageNanos: 1_500_000n,
      memoryUsageBytes: 1000,
      memoryWorkingSetBytes: 700,
      memoryRssBytes: 600,
      pids: 3,
    });
  });
});

test('parseKeyed() leaves out what is no pair', () => {
  expect([...parseKeyed('a 1\n\nb 22\n')]).toEqual([
    ['a', 1],
    ['b', 22],
  ]);
});
