/**
 * Network namespaces by name. /run/netns must be a shared mount of itself before the first of them: the `ip` command would otherwise
 * make it one later, and namespaces made until then would be mounted twice.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { run, tryRun } from './command.ts';

const DIRECTORY = '/run/netns';

async function ensureDirectory(): Promise<void> {
  mkdirSync(DIRECTORY, { recursive: true });
  const isMount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some(line => line.split(' ')[4] === DIRECTORY);
  if (isMount) return;
  await run(['mount', '--bind', DIRECTORY, DIRECTORY]);
  await run(['mount', '--make-shared', DIRECTORY]);
}

export async function addNamespace(name: string): Promise<void> {
  await ensureDirectory();
  await run(['ip', 'netns', 'add', name]);
  await run(inNamespace(name, ['ip', 'link', 'set', 'lo', 'up']));
}

/** What is gone is no error. */
export async function deleteNamespace(name: string): Promise<void> {
  if (existsSync(`${DIRECTORY}/${name}`)) await tryRun(['ip', 'netns', 'delete', name]);
}

/** The command line that runs `argv` there. Not `ip netns exec`: that mounts another /sys, in which there are no cgroups. */
export function inNamespace(name: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${DIRECTORY}/${name}`, ...argv];
}
