/** What a host holds of pods and of the programs that run them: the soak compares it before and after. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../machine/host.ts';
import { anonymousBytes, argvOf, pidsNaming } from '../machine/processes.ts';

/** Counts; `agentMB` is the process' own memory. */
export interface Footprint {
  readonly containers: number;
  readonly sandboxTasks: number;
  readonly shims: number;
  readonly mounts: number;
  readonly podCgroups: number;
  readonly podFolders: number;
  readonly logFolders: number;
  readonly networkNamespaces: number;
  readonly links: number;
  readonly podAddresses: number;
  readonly snapshots: number;
  readonly agentFiles: number;
  readonly containerdFiles: number;
  readonly agentMB: number;
}

export async function footprint(host: Host): Promise<Footprint> {
  const ctr = async (...args: string[]): Promise<number> =>
    lines(await host.run(['ctr', '-a', host.containerdSocket, '-n', 'k8s.io', ...args])).length;
  const { pid, containerdPid } = host;
  return {
    containers: await ctr('containers', 'list', '-q'),
    sandboxTasks: await ctr('tasks', 'list', '-q'),
    shims: pidsNaming(`${host.directory}/`).filter(p => argvOf(p)[0]?.includes('containerd-shim')).length,
    mounts: lines(readFileSync('/proc/self/mountinfo', 'utf8')).filter(line => line.includes(` ${host.directory}/`))
      .length,
    podCgroups: podCgroups(host.cgroupRoot),
    podFolders: entries(host.path('data', 'kubelet', 'pods')),
    logFolders: entries(host.path('log', 'pods')),
    networkNamespaces: existsSync('/run/netns')
      ? readdirSync('/run/netns').filter(name => name.startsWith('cni-')).length
      : 0,
    links: lines(await host.run(['ip', '-o', 'link'])).length,
    podAddresses: addresses(host.path('data', 'agent', 'cni', 'state')),
    snapshots: await ctr('snapshots', 'list'),
    agentFiles: pid === undefined ? 0 : entries(`/proc/${pid}/fd`),
    containerdFiles: containerdPid === undefined ? 0 : entries(`/proc/${containerdPid}/fd`),
    agentMB: pid === undefined ? 0 : Math.round(anonymousBytes(pid) / 1e6),
  };
}

/** Which pods something is left of, with what the log says of each: where to begin to look. */
export async function leftOver(host: Host): Promise<string> {
  const ctr = ['ctr', '-a', host.containerdSocket, '-n', 'k8s.io'];
  const ids = lines(await host.run([...ctr, 'containers', 'list', '-q']));
  const infos = await Promise.all(ids.map(id => host.run([...ctr, 'containers', 'info', id])));
  const folders = host.path('data', 'kubelet', 'pods');
  const uids = new Set([
    ...infos.flatMap(info => /"io\.kubernetes\.pod\.uid": "([^"]+)"/.exec(info)?.[1] ?? []),
    ...(existsSync(folders) ? readdirSync(folders) : []),
  ]);
  const log = host.logTail(200_000).split('\n');
  return [...uids].flatMap(uid => [uid, ...log.filter(line => line.includes(uid)).slice(-20)]).join('\n');
}

/** How much more than before is allowed to stay: buffers and caches grow to their bounds. */
const ALLOWED: Readonly<Partial<Record<keyof Footprint, (before: number) => number>>> = {
  agentFiles: before => before + 20,
  containerdFiles: before => before + 20,
  agentMB: before => before * 1.5 + 20,
};

/** What there is more of than before, in words. */
export function leaks(before: Footprint, after: Footprint): string[] {
  return (Object.keys(before) as (keyof Footprint)[]).flatMap(key => {
    const allowed = ALLOWED[key]?.(before[key]) ?? before[key];
    return after[key] <= allowed ? [] : [`${key}: ${before[key]} before, ${after[key]} after`];
  });
}

function lines(text: string): string[] {
  return text.split('\n').filter(Boolean);
}

function entries(directory: string): number {
  return existsSync(directory) ? readdirSync(directory).length : 0;
}

/** Addresses that host-local gave away. */
function addresses(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { recursive: true }).filter(name => /(^|\/)\d+\.\d+\.\d+\.\d+$/.test(String(name)))
    .length;
}

/** In every hierarchy. */
function podCgroups(root: string): number {
  const top = '/sys/fs/cgroup';
  const hierarchies = [top, ...readdirSync(top).map(name => join(top, name))];
  const below = (directory: string): number =>
    readdirSync(directory)
      .filter(name => statSync(join(directory, name)).isDirectory())
      .reduce((sum, name) => sum + (/pod[0-9a-f-]{8,}/.test(name) ? 1 : 0) + below(join(directory, name)), 0);
  return hierarchies
    .map(hierarchy => join(hierarchy, root))
    .filter(existsSync)
    .reduce((sum, directory) => sum + below(directory), 0);
}
