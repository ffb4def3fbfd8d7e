/** `k8ts reset`: takes away every trace that k8ts left on this machine, and says what it was. Safe to repeat. */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { allDirectories, detectCgroups } from '../../agent/host/cgroup-layout.ts';
import { removeCgroupTree } from '../../agent/host/cgroup-tree.ts';
import { readMountinfo } from '../../agent/host/mountinfo.ts';
import { releaseMounts } from '../../agent/host/release-mounts.ts';
import { removeNetnsDirectory, undoDoubleMounts } from '../../agent/host/netns.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { nodeNameOf, type Config } from '../config.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { createNodeCleanup } from '../roots/node-cleanup.ts';
import { createNodeParts } from '../roots/node-parts.ts';
import { removeFromOwnKubeconfigs } from '../own-kubeconfig.ts';
import { stopDaemon } from '../stop-daemon.ts';
import { removeUnits } from '../systemd.ts';

const STOP_SECONDS = 30;
/** Where CNI's library leaves results and shims of every containerd their sockets; others may have theirs there. */
const SHARED_DIRECTORIES = ['/var/lib/cni/results', '/var/lib/cni', '/run/containerd/s', '/run/containerd'];

export async function reset(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (process.getuid?.() !== 0) throw new CliError('Resetting needs root; try: sudo k8ts reset', exitCodes.notRoot);
  const paths = pathsOf(config);
  await confirm(
    args['yes'] === true,
    `This removes the cluster on ${nodeNameOf(config)} with all its data (${outermost([paths.dataDir, paths.kubelet]).join(', ')}).`,
    output,
  );
  const removed: string[] = [];
  const problems: string[] = [];
  const step = async (name: string, work: () => Promise<readonly string[]>): Promise<void> => {
    const begin = performance.now();
    try {
      const what = await work();
      removed.push(...what);
      if (what.length > 0) output.step(name, performance.now() - begin, what.join(', '));
    } catch (error) {
      const why = errorText(error);
      problems.push(`${name}: ${why}`);
      output.failedStep(name, performance.now() - begin, why);
    }
  };
  const parts = createNodeParts(config, paths, silentLogger);
  const cleanup = createNodeCleanup(config, paths, parts);
  await step('systemd', () => Promise.resolve(removeUnits(paths)));
  await step('k8ts', async () =>
    (await stopDaemon(paths, STOP_SECONDS)) === undefined ? [] : ['the running process'],
  );
  await step('pods', async () => {
    if (parts.containerd === undefined || !(existsSync(paths.containerd) || existsSync(paths.containerdRun))) return [];
    const pods = await cleanup.removeSandboxes();
    const { shims, processes, mounts } = await parts.containerd.reset();
    return [
      ...count(pods, 'pod sandbox', 'pod sandboxes'),
      ...count(shims, 'pod or container shim'),
      ...count(processes, 'process', 'processes'),
      ...count(mounts.length, 'runtime mount'),
    ];
  });
  parts.cri.close();
  await step('rules', () => cleanup.removeRules());
  await step('network', () => cleanup.removeNetwork());
  await step('network namespaces', async () => [
    ...count((await undoDoubleMounts()).length, 'double mount'),
    ...((await removeNetnsDirectory()) ? ['/run/netns'] : []),
  ]);
  await step('shutdown delay', () => cleanup.removeShutdownDelay());
  await step('sysctls', async () => (await parts.sysctls.undo()).map(key => `sysctl ${key}`));
  await step('cgroups', async () => {
    const layout = await detectCgroups();
    const root = `/${config.cgroupRoot}`;
    if (!allDirectories(layout, root).some(directory => existsSync(directory))) return [];
    await removeCgroupTree(layout, root);
    return [`cgroup ${root}`];
  });
  await step('mounts', async () => {
    const released: string[] = [];
    for (const path of outermost([paths.dataDir, paths.kubelet, paths.runDir]))
      released.push(...(await releaseMounts(path, { detachBusy: true })));
    return count(released.length, 'mount');
  });
  await step('kubeconfigs', async () => (await removeFromOwnKubeconfigs(paths)).map(file => `context k8ts in ${file}`));
  await step('files', async () => {
    const ours = outermost([paths.dataDir, paths.kubelet, paths.configDir, paths.runDir, paths.logDir]);
    const there = ours.filter(path => existsSync(path));
    // What is mounted below may be somebody's data.
    const mounted = (await readMountinfo()).find(mount => there.some(path => isBelow(mount.mountPoint, path)));
    if (mounted !== undefined)
      throw new Error(`${mounted.mountPoint} is still mounted; no file is removed before it is not`);
    for (const path of there) rmSync(path, { recursive: true, force: true });
    for (const path of SHARED_DIRECTORIES) removeIfEmpty(path);
    return there;
  });
  output.result(
    { removed, problems },
    removed.length === 0 && problems.length === 0
      ? 'There was nothing of k8ts here; nothing changed'
      : 'Removed. The program itself and the Debian packages stay',
  );
  // Others may share it: whether the cluster is over everywhere is not known here.
  if (config.etcdServers !== undefined) {
    const wipe = `etcdctl --endpoints ${config.etcdServers.join(',')} del --prefix ${config.etcdPrefix}/`;
    output.line(`The cluster's state in etcd stays. A new cluster needs it gone or another --etcd-prefix: ${wipe}`);
  }
  if (problems.length > 0)
    throw new CliError(
      `Not everything could be removed:\n${problems.map(p => `  ${p}`).join('\n')}\nMend that and run k8ts reset again`,
    );
}

/** Those that lie in no other of them. */
function outermost(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter(path => !paths.some(other => isBelow(path, other)));
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** Somebody else's content stays, and a missing folder is no error. */
function removeIfEmpty(path: string): void {
  if (existsSync(path) && readdirSync(path).length === 0) rmdirSync(path);
}

function count(n: number, one: string, many = `${one}s`): string[] {
  return n === 0 ? [] : [`${n} ${n === 1 ? one : many}`];
}

async function confirm(yes: boolean, question: string, output: Output): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || output.isJson)
    throw new CliError(`${question} Say --yes if that is what you want`, exitCodes.usage);
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    if (!/^y(es)?$/i.test((await lines.question(`${question} Go on? [y/N] `)).trim()))
      throw new CliError('Nothing was changed', exitCodes.ok);
  } finally {
    lines.close();
  }
}
