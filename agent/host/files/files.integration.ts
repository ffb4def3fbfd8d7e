/** Paths, groups and mounts as they really are, on file systems that answer and on one that never does; needs root. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, open, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../machinery/process/clock.ts';
import { readDirectoriesUsage } from '../disk-usage.ts';
import { startDaemon } from '../daemon.ts';
import { run } from '../exec.ts';
import { loadLibc } from '../libc.ts';
import { readMountinfo } from '../mountinfo.ts';
import { sendSignal } from '../processes.ts';
import { BusyMountError, releaseMounts } from '../release-mounts.ts';
import { removeSkeleton } from '../remove-skeleton.ts';
import { removeTree } from '../remove-tree.ts';
import { bindSubPath } from './bind-sub-path.ts';
import { checkPath } from './check-path.ts';
import { giveToGroup } from './give-to-group.ts';
import { GuardedFiles, UnresponsiveMountError } from './guarded-files.ts';
import { foreignMountOf } from './local-place.ts';

const WORKER = [process.execPath, '--import', 'tsx', join(import.meta.dirname, 'testdata', 'file-worker-main.ts')];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-files-'));
});
afterEach(async () => {
  await releaseMounts(dir);
  await removeTree(dir);
});

const mountsBelow = async (path: string) => (await readMountinfo()).filter(m => m.mountPoint.startsWith(path));

/** A FUSE file system whose server never reads a request; closing what it gives ends all that wait. */
async function mountHanging(target: string): Promise<{ end: () => Promise<void> }> {
  await mkdir(target, { recursive: true });
  const device = await open('/dev/fuse', 'r+');
  (await loadLibc()).mount('hanging', target, 'fuse', 0, `fd=${device.fd},rootmode=40000,user_id=0,group_id=0`);
  return {
    end: async () => {
      await device.close();
      await run(['umount', '--lazy', '--no-canonicalize', target]);
    },
  };
}

test.each([
  { type: 'Directory', at: 'file', want: 'hostPath type check failed: PATH is not a directory' },
  { type: 'File', at: '.', want: 'hostPath type check failed: PATH is not a file' },
  { type: 'Socket', at: 'file', want: 'hostPath type check failed: PATH is not a socket file' },
  { type: 'CharDevice', at: 'none', want: 'hostPath type check failed: PATH is not a character device' },
  { type: 'BlockDevice', at: 'file', want: 'hostPath type check failed: PATH is not a block device' },
  { type: 'Odd', at: 'file', want: 'Odd is an invalid volume type' },
  { type: 'File', at: 'file', want: '' },
  { type: '', at: 'none', want: '' },
])('checkPath() of $at as "$type" says "$want"', async ({ type, at, want }) => {
  await writeFile(join(dir, 'file'), '');
  const path = join(dir, at);
  expect(await checkPath(path, type)).toBe(want.replace('PATH', path));
});

test('giveToGroup() owns all below and keeps links alone; with OnRootMismatch a tree that is done is not walked', async () => {
  await writeFile(join(dir, 'f'), '');
  await symlink('/etc/hostname', join(dir, 'l'));
  const outside = (await stat('/etc/hostname')).gid;
  let walked = 0;
  await giveToGroup(dir, 4321, { policy: 'OnRootMismatch', onFile: () => void walked++ });
  expect((await stat(join(dir, 'f'))).gid).toBe(4321);
  expect((await stat(join(dir, 'f'))).mode & 0o777).toBe(0o664);
  expect((await stat(dir)).mode & 0o7777).toBe(0o2770);
  expect((await stat('/etc/hostname')).gid).toBe(outside);
  await giveToGroup(dir, 4321, { policy: 'OnRootMismatch', onFile: () => void walked++ });
  expect(walked).toBe(3);
});

test('giveToGroup() of a tree in which folders become links all the time never leaves it', async () => {
  const outside = join(dir, 'outside');
  const volume = join(dir, 'volume');
  await mkdir(outside);
  for (let i = 0; i < 50; i++) await writeFile(join(outside, `f${i}`), '', { mode: 0o600 });
  for (let i = 0; i < 20; i++) await mkdir(join(volume, `d${i}`), { recursive: true });
  const swap = `for (;;) for (let i = 0; i < 20; i++) {
    fs.renameSync('d' + i, 'x'); fs.symlinkSync('../outside', 'd' + i); fs.unlinkSync('d' + i); fs.renameSync('x', 'd' + i); }`;
  const over = new AbortController();
  const swapping = run([process.execPath, '-e', swap], { cwd: volume, signal: over.signal, timeoutMs: 60_000 });
  swapping.catch(() => undefined);
  try {
    for (let gid = 5000; gid < 5100; gid++) await giveToGroup(volume, gid);
  } finally {
    over.abort(new Error('enough'));
    await swapping.catch(() => undefined);
  }
  for (let i = 0; i < 50; i++) {
    const { gid, mode } = await stat(join(outside, `f${i}`));
    expect({ gid, mode: mode & 0o777 }).toEqual({ gid: 0, mode: 0o600 });
  }
});

test('giveToGroup() goes deeper than names go, but not for ever', async () => {
  const nest = (name: string, levels: number): Promise<unknown> => {
    const script = `for (let i = 0; i < ${levels}; i++) { fs.mkdirSync('${name}'); process.chdir('${name}'); }`;
    return run([process.execPath, '-e', script], { cwd: dir });
  };
  await nest('d'.repeat(200), 100);
  await giveToGroup(dir, 4321);
  expect((await stat(join(dir, 'd'.repeat(200)))).gid).toBe(4321);
  await nest('e', 1_100);
  await expect(giveToGroup(dir, 4322)).rejects.toThrow('nested deeper than 1000 levels');
  await removeTree(dir);
  await expect(stat(dir)).rejects.toThrow('ENOENT');
});

describe('removeSkeleton()', () => {
  test('removes places for folders and for files, and what is not there', async () => {
    await mkdir(join(dir, 'places', 'a', 'x'), { recursive: true });
    await writeFile(join(dir, 'places', 'a', 'file'), 'x');
    await symlink('/etc', join(dir, 'places', 'a', 'link'));
    await removeSkeleton(join(dir, 'places'), 2);
    await removeSkeleton(join(dir, 'places'), 2);
    await expect(stat(join(dir, 'places'))).rejects.toThrow('ENOENT');
    expect((await stat('/etc')).isDirectory()).toBe(true);
  });

  test('touches nothing in what was mounted meanwhile, nor what somebody left', async () => {
    const place = join(dir, 'places', 'a');
    await mkdir(place, { recursive: true });
    await mkdir(join(dir, 'data'));
    await writeFile(join(dir, 'data', 'precious'), '');
    await run(['mount', '--bind', join(dir, 'data'), place]);
    await expect(removeSkeleton(join(dir, 'places'), 1)).rejects.toThrow(`something was mounted on ${place} meanwhile`);
    await releaseMounts(place);
    await writeFile(join(place, 'left'), '');
    await expect(removeSkeleton(join(dir, 'places'), 1)).rejects.toThrow(`${place} is not empty`);
    expect((await stat(join(dir, 'data', 'precious'))).isFile()).toBe(true);
    expect((await stat(join(place, 'left'))).isFile()).toBe(true);
  });
});

describe('bindSubPath()', () => {
  test('mounts a folder that it makes with the mode of the volume, and a file that is there', async () => {
    const volume = join(dir, 'volume');
    await mkdir(volume, { mode: 0o777 });
    await run(['chmod', '2777', volume]);
    await bindSubPath(volume, 'a/b', join(dir, 'target'));
    expect((await stat(join(volume, 'a/b'))).mode & 0o7777).toBe(0o2777);
    await writeFile(join(dir, 'target', 'x'), 'seen');
    expect(await readFile(join(volume, 'a/b/x'), 'utf8')).toBe('seen');
    await bindSubPath(volume, 'a/b/x', join(dir, 'file'));
    await bindSubPath(volume, 'a/b/x', join(dir, 'file'));
    expect(await readFile(join(dir, 'file'), 'utf8')).toBe('seen');
    expect((await mountsBelow(dir)).length).toBe(2);
  });

  test('mounts anew what was made anew', async () => {
    const volume = join(dir, 'volume');
    await mkdir(join(volume, 'a'), { recursive: true });
    await bindSubPath(volume, 'a', join(dir, 'target'));
    await rm(join(volume, 'a'), { recursive: true });
    await bindSubPath(volume, 'a', join(dir, 'target'));
    await writeFile(join(dir, 'target', 'x'), 'new');
    expect(await readFile(join(volume, 'a/x'), 'utf8')).toBe('new');
    expect((await mountsBelow(dir)).length).toBe(1);
  });

  test.each(['../etc', '/etc', 'link', 'link/passwd', 'inside/../../x'])('refuses %s', async subPath => {
    const volume = join(dir, 'volume');
    await mkdir(volume);
    await symlink('/etc', join(volume, 'link'));
    await expect(bindSubPath(volume, subPath, join(dir, 'target'))).rejects.toThrow('leads out of its volume');
  });
});

describe('a file system that never answers', () => {
  test('is found before it is touched, also through a link, and hangs nobody but its own tasks', async () => {
    const hanging = await mountHanging(join(dir, 'hung'));
    const files = new GuardedFiles({
      workerArgv: WORKER,
      clock: systemClock,
      home: dir,
      deadlineMs: 1_000,
    });
    try {
      await symlink(join(dir, 'hung'), join(dir, 'link'));
      expect((await foreignMountOf(join(dir, 'link', 'x'), dir))?.mountPoint).toBe(join(dir, 'hung'));
      expect(await foreignMountOf(join(dir, 'nothing', 'there'), dir)).toBeUndefined();
      // More than Node has threads for files.
      const hung = Array.from({ length: 6 }, () =>
        files.run('checkPath', { path: join(dir, 'link'), type: 'Directory' }),
      );
      const ends = Promise.allSettled(hung);
      const bound = files.run('bindSubPath', { path: join(dir, 'hung'), subPath: 'a', target: join(dir, 'target') });
      bound.catch(() => undefined);
      // Whoever else wants a file gets it at once.
      let waiting = true;
      void ends.then(() => (waiting = false));
      expect(await files.run('checkPath', { path: dir, type: 'Directory' })).toBe('');
      await writeFile(join(dir, 'mine'), 'x');
      expect(waiting).toBe(true);
      for (const end of await ends) {
        const error = end.status === 'rejected' ? (end.reason as UnresponsiveMountError) : undefined;
        expect(error).toBeInstanceOf(UnresponsiveMountError);
        expect(error?.mountPoint).toBe(join(dir, 'hung'));
        expect(error?.message).toMatch(/the fuse file system "hanging" mounted on .*hung hangs since .*umount --lazy/);
      }
      await expect(bound).rejects.toThrow('does not answer');
      // The folder around it cannot be measured, another one can.
      const usage = await readDirectoriesUsage([dir, '/etc/default'], AbortSignal.timeout(20_000));
      expect([...usage.keys()]).toEqual(['/etc/default']);
      // Its mounts can be taken away all the same.
      await releaseMounts(join(dir, 'hung'));
      expect(await mountsBelow(join(dir, 'hung'))).toEqual([]);
    } finally {
      files.stop();
      await hanging.end().catch(() => undefined);
    }
  }, 30_000);
});

test('a large tree is walked in the other process', async () => {
  const tree = join(dir, 'tree');
  await mkdir(tree);
  await run(['sh', '-c', `cd ${tree} && seq 2500 | xargs touch`]);
  const files = new GuardedFiles({ workerArgv: WORKER, clock: systemClock, home: dir });
  try {
    await files.run('giveToGroup', { path: tree, groupId: 777, policy: 'Always' });
    const { stdout } = await run(['find', tree, '!', '-gid', '777']);
    expect(stdout).toBe('');
  } finally {
    files.stop();
  }
}, 30_000);

test('files on another disk are reached through the other process, trees are walked there, errors keep their code', async () => {
  const image = join(dir, 'disk');
  const disk = join(dir, 'mnt');
  await mkdir(disk);
  await run(['truncate', '-s', '8M', image]);
  await run(['mkfs.ext4', '-q', '-F', image]);
  await run(['mount', '-o', 'loop', image, disk]);
  const files = new GuardedFiles({
    workerArgv: WORKER,
    clock: systemClock,
    home: dir,
  });
  try {
    expect((await foreignMountOf(join(disk, 'x'), dir))?.fsType).toBe('ext4');
    expect(await files.run('checkPath', { path: join(disk, 'made'), type: 'DirectoryOrCreate' })).toBe('');
    await files.run('giveToGroup', { path: disk, groupId: 999, policy: undefined });
    expect((await stat(join(disk, 'made'))).gid).toBe(999);
    expect((await files.run('filesystemUsage', { path: disk })).capacityBytes).toBeLessThan(8 << 20);
    await files.run('bindSubPath', { path: disk, subPath: 'made/deep', target: join(dir, 'target') });
    await expect(files.run('filesystemUsage', { path: join(disk, 'none') })).rejects.toMatchObject({ code: 'ENOENT' });

    const pid = await startDaemon({ argv: ['sh', '-c', `cd ${disk} && exec sleep 60`], logPath: join(dir, 'log') });
    try {
      // The subPath is one view of two; the last one of them is not detached under a process.
      await releaseMounts(join(dir, 'target'));
      const busy = await releaseMounts(disk).catch((error: unknown) => error);
      expect(busy).toBeInstanceOf(BusyMountError);
      expect((busy as Error).message).toMatch(
        new RegExp(
          `^the mount ${disk} \\(ext4 of /dev/loop\\d+\\) is busy: process ${pid} \\(sleep 60\\), running since .* works in it; end it`,
        ),
      );
    } finally {
      sendSignal(pid, 'SIGKILL');
    }
  } finally {
    files.stop();
    await run(['umount', '--lazy', disk]).catch(() => undefined);
  }
}, 30_000);
