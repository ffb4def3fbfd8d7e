/** `k8ts down`: ends k8ts, then its pods, then its container runtime. What is stored stays; `k8ts up` goes on from there. */
import { existsSync } from 'node:fs';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Config } from '../config.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { loadIdentity } from '../join/node-identity.ts';
import type { Output } from '../output.ts';
import { pathsOf, type Paths } from '../paths.ts';
import { createNodeParts, type NodeParts } from '../roots/node-parts.ts';
import { stopDaemon } from '../stop-daemon.ts';

export async function down(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (process.getuid?.() !== 0) throw new CliError('Stopping k8ts needs root; try: sudo k8ts down', exitCodes.notRoot);
  const paths = pathsOf(config);
  const timeoutSeconds = Number(args['timeout']);
  let begin = performance.now();
  const pid = await stopDaemon(paths, timeoutSeconds);
  if (pid !== undefined) output.step('k8ts', performance.now() - begin, `pid ${pid}`);
  const parts = createNodeParts(config, paths, silentLogger);
  let pods = 0;
  try {
    if (args['keep-pods'] !== true && existsSync(parts.socketPath) && parts.containerd !== undefined) {
      begin = performance.now();
      pods = await stopPods(parts);
      output.step('pods', performance.now() - begin, `${pods} stopped`);
      begin = performance.now();
      await parts.containerd.stop();
      output.step('containerd', performance.now() - begin);
    }
  } finally {
    parts.cri.close();
  }
  output.result(
    { stopped: pid !== undefined, pods },
    pid === undefined && pods === 0
      ? 'k8ts is not running here; nothing changed'
      : `k8ts is down; its state is kept. Start it again with: ${await startCommand(paths)}`,
  );
}

async function startCommand(paths: Paths): Promise<string> {
  const identity = await loadIdentity(paths);
  return identity === undefined ? 'k8ts up' : `k8ts join ${identity.server}`;
}

const GRACE_SECONDS = 10;

/** Containers get their signal and a short grace; then their sandboxes go. */
async function stopPods({ cri }: NodeParts): Promise<number> {
  let sandboxes;
  try {
    sandboxes = await cri.listPodSandbox();
  } catch {
    return 0;
  }
  const running = (await cri.listContainers()).filter(c => c.state === 1);
  await Promise.all(running.map(c => cri.stopContainer(c.id, GRACE_SECONDS).catch(() => undefined)));
  await Promise.all(sandboxes.map(s => cri.stopPodSandbox(s.id).catch(() => undefined)));
  return sandboxes.length;
}
