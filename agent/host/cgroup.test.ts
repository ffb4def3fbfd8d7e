import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CgroupLayout } from './cgroup-layout.ts';
import { readCgroupDetails } from './cgroup-details.ts';
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

describe('readCgroupDetails()', () => {
  const stall = { avg10: 1.5, avg60: 0, avg300: 0, total: 42 };

  test('reads v2', async () => {
    mkdirSync(join(root, 'x'));
    const files = {
      'cpu.stat': 'usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1\n',
      'memory.stat': 'anon 1\nfile 2\nfile_mapped 3\n',
      'memory.swap.current': '4\n',
      'pids.current': '5\n',
      'pids.max': 'max\n',
      'cgroup.procs': '11\n12\n',
      'memory.events': 'low 0\nmax 6\noom_kill 7\n',
      'io.stat': '999:7 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n',
      'cpu.pressure': 'some avg10=1.50 avg60=0.00 avg300=0.00 total=42\n',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'x', name), text);
    expect(await readCgroupDetails({ shape: 'v2', mountPoint: root }, '/x')).toEqual({
      cpuUserNanos: 5_000,
      cpuSystemNanos: 4_000,
      throttling: { periods: 3, throttledPeriods: 2, throttledNanos: 1_000 },
      cacheBytes: 2,
      mappedFileBytes: 3,
      swapBytes: 4,
      maxUsageBytes: undefined,
      memoryFailures: 6,
      oomKills: 7,
      processes: 2,
      threads: 5,
      maxThreads: undefined,
      io: [{ device: '', major: '999', minor: '7', readBytes: 1, writeBytes: 2, reads: 3, writes: 4 }],
      pressure: { cpu: { some: stall, full: { avg10: 0, avg60: 0, avg300: 0, total: 0 } } },
    });
  });

  test('reads hybrid: controllers from v1, pressure from v2 beside it', async () => {
    for (const name of ['memory/x', 'blkio/x', 'unified/x']) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'memory/x/memory.failcnt'), '5\n');
    writeFileSync(join(root, 'memory/x/memory.oom_control'), 'oom_kill_disable 0\noom_kill 2\n');
    writeFileSync(
      join(root, 'blkio/x/blkio.throttle.io_service_bytes_recursive'),
      '999:7 Read 1\n999:7 Write 2\nTotal 3\n',
    );
    writeFileSync(
      join(root, 'unified/x/io.pressure'),
      'some avg10=1.50 avg60=0.00 avg300=0.00 total=42\nfull avg10=1.50 avg60=0.00 avg300=0.00 total=42\n',
    );
    const controllers = new Map(['memory', 'blkio'].map(name => [name, join(root, name)]));
    const layout: CgroupLayout = { shape: 'hybrid', controllers, others: [join(root, 'unified')] };
    expect(await readCgroupDetails(layout, '/x')).toMatchObject({
      memoryFailures: 5,
      oomKills: 2,
      io: [{ readBytes: 1, writeBytes: 2, reads: 0 }],
      pressure: { io: { some: stall, full: stall } },
    });
  });
});

test('limitFiles() names huge pages by their size', () => {
  const limits = { hugepages: { '2MB': 4 << 20 } };
  expect(limitFiles('v2', limits)[0]).toMatchObject({ controller: 'hugetlb', file: 'hugetlb.2MB.max' });
  expect(limitFiles('v1', limits)[0]).toMatchObject({ file: 'hugetlb.2MB.limit_in_bytes', value: String(4 << 20) });
});

test('parseKeyed() leaves out what is no pair', () => {
  expect([...parseKeyed('a 1\n\nb 22\n')]).toEqual([
    ['a', 1],
    ['b', 22],
  ]);
});
