/**
 * A containerd that is killed while it makes a sandbox leaves the sandbox's network namespace, mounted in its state directory, where
 * nobody looks for it any more. Such a one has no process in it, for longer than a sandbox takes to be made; a sandbox whose processes
 * died is stopped as well without it.
 */
import { readdir, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../host/exec.ts';
import { listProcesses } from '../../../host/processes.ts';

/** Where containerd 1 and 2 mount them. */
const PLUGINS = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime'];

export class StrayNamespaces {
  private readonly stateDir: string;
  private readonly ageMs: number;
  /** By path: when it was first seen empty. */
  private since = new Map<string, number>();

  /** @param ageMs how long a sandbox may take at most */
  constructor(stateDir: string, ageMs: number) {
    this.stateDir = stateDir;
    this.ageMs = ageMs;
  }

  /**
   * Takes away those that were empty at each look for so long.
   * @param nowMs of a clock that never jumps
   * @returns their paths
   */
  async look(nowMs: number): Promise<string[]> {
    const paths = await namespacesBelow(this.stateDir);
    const inUse = paths.length === 0 ? new Set<number>() : await namespacesOfProcesses();
    const since = new Map<string, number>();
    const removed: string[] = [];
    for (const path of paths) {
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || inUse.has(found.ino)) continue;
      const firstMs = this.since.get(path) ?? nowMs;
      if (nowMs - firstMs < this.ageMs) since.set(path, firstMs);
      else if (await remove(path)) removed.push(path);
    }
    this.since = since;
    return removed;
  }
}

async function remove(path: string): Promise<boolean> {
  // One that is not mounted any more is a file as others are.
  await run(['umount', path]).catch(() => undefined);
  return rm(path, { force: true }).then(
    () => true,
    () => false,
  );
}

async function namespacesBelow(stateDir: string): Promise<string[]> {
  const lists = PLUGINS.map(async plugin => {
    const directory = join(stateDir, plugin, 'netns');
    const names = await readdir(directory).catch(() => []);
    return names.filter(name => name.startsWith('cni-')).map(name => join(directory, name));
  });
  return (await Promise.all(lists)).flat();
}

/** Their inodes. */
async function namespacesOfProcesses(): Promise<ReadonlySet<number>> {
  const links = (await listProcesses()).map(({ pid }) => readlink(`/proc/${pid}/ns/net`).catch(() => ''));
  return new Set((await Promise.all(links)).map(link => Number(/\[(\d+)\]/.exec(link)?.[1] ?? 0)));
}
