/** Takes away all that bears an estate's id, whatever state it is in: processes, mounts, namespaces, cgroups, links. */
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { tryRun } from './command.ts';
import { deleteNamespace } from './network-namespace.ts';
import { killHard, pidsNaming, startTicks } from './processes.ts';
import { waitFor } from './wait-for.ts';

/** Prefix of the names of namespaces, links and cgroups of an estate. */
export const namePrefix = (id: string): string => `k8e-${id}-`;

export async function clearEstate(id: string, directory: string): Promise<void> {
  const prefix = namePrefix(id);
  // Twice: a shim that sees its containerd die may have started one more program.
  for (let round = 0; round < 2; round++) {
    const pids = [
      ...new Set([...pidsNaming(`${directory}/`), ...pidsNaming(`/${prefix}`), ...(await pidsInside(prefix))]),
    ];
    for (const pid of pids) killHard(pid);
    await waitFor('killed processes to go', () => pids.every(pid => startTicks(pid) === undefined), {
      timeoutMs: 10_000,
      everyMs: 20,
    }).catch(() => undefined);
  }
  for (const path of mountsBelow(directory)) await tryRun(['umount', '-l', path]);
  for (const name of namespaces(prefix)) await deleteNamespace(name);
  for (const name of links(prefix)) await tryRun(['ip', 'link', 'delete', name]);
  removeCgroups(prefix);
}

async function pidsInside(prefix: string): Promise<number[]> {
  const lists = await Promise.all(namespaces(prefix).map(name => tryRun(['ip', 'netns', 'pids', name])));
  return lists.flatMap(({ stdout }) => stdout.split('\n').filter(Boolean).map(Number));
}

function namespaces(prefix: string): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter(name => name.startsWith(prefix)) : [];
}

function links(prefix: string): string[] {
  return readdirSync('/sys/class/net').filter(name => name.startsWith(prefix));
}

/** Deepest first. */
function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => (line.split(' ')[4] ?? '').replaceAll('\\040', ' '))
    .filter(path => path.startsWith(`${directory}/`))
    .reverse();
}

function removeCgroups(prefix: string): void {
  const top = '/sys/fs/cgroup';
  const hierarchies = [top, ...readdirSync(top).map(name => join(top, name))];
  for (const hierarchy of hierarchies.filter(isDirectory)) {
    for (const name of readdirSync(hierarchy).filter(n => n.startsWith(prefix))) removeTree(join(hierarchy, name));
  }
}

/** A cgroup's files go with it; only directories are removed, from the leaves up. */
function removeTree(path: string): void {
  try {
    for (const name of readdirSync(path)) if (isDirectory(join(path, name))) removeTree(join(path, name));
    rmdirSync(path);
  } catch {
    // Somebody is still in it; the next sweep tries again.
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
