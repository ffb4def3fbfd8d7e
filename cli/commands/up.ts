/** `k8ts up`: a whole cluster on this machine, in the background unless told otherwise. */
import { followStart, startBySystemd, startInBackground } from '../background.ts';
import type { Config } from '../config.ts';
import { askStatus, type DaemonStatus } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { loadIdentity } from '../join/node-identity.ts';
import { readKubeletFile } from '../kubelet-file.ts';
import { addToOwnKubeconfig } from '../own-kubeconfig.ts';
import { seconds, type Output } from '../output.ts';
import { pathsOf, type Paths } from '../paths.ts';
import { readSchedulerFile } from '../scheduler-file.ts';
import { changedSettings, rememberedSettings } from '../started-with.ts';
import { installedUnits } from '../systemd.ts';
import { lockHolder } from '../pid-lock.ts';
import { runDaemon } from './run.ts';

export async function up(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (args['foreground'] === true) return runDaemon('up', config);
  if (process.getuid?.() !== 0)
    throw new CliError('Running containers needs root; try: sudo k8ts up', exitCodes.notRoot);
  const paths = pathsOf(config);
  await refuseNode(paths);
  // What is wrong with a file is said here and at once, not by a process in the background.
  if (config.kubeletConfig ?? config.kubeletConfigDir) await readKubeletFile(config);
  if (config.schedulerConfig !== undefined) await readSchedulerFile(config);
  const running = await askStatus(paths.controlSocket);
  if (running !== undefined && running.phase !== 'starting') {
    const changed = changedSettings(rememberedSettings(config.configDir), config);
    const runs = `k8ts runs already (pid ${running.pid}, up ${running.uptimeSeconds} s)`;
    const restart = `it runs with other settings, and takes these when it is started anew (k8ts down, k8ts up):\n  ${changed.join('\n  ')}`;
    output.result({ ...running, changed }, `${runs}; ${changed.length === 0 ? 'nothing changed' : restart}`);
  } else {
    const begin = performance.now();
    const status = await start(running !== undefined, paths, Number(args['timeout']), output);
    const facts = `node ${status.nodeName ?? ''} is Ready, cluster DNS answers at ${status.clusterDns ?? ''}`;
    output.result(
      status,
      `k8ts is up after ${seconds(performance.now() - begin)}: ${facts}\n  export KUBECONFIG=${paths.adminKubeconfig}`,
    );
  }
  if (args['merge-kubeconfig'] === true) {
    const own = await addToOwnKubeconfig(paths);
    output.line(`Added context "k8ts" to ${own} and made it the current one`);
  }
}

/** A machine that joined a cluster has its node there; a control plane of its own beside it would take its address and its pods. */
async function refuseNode(paths: Paths): Promise<void> {
  const identity = await loadIdentity(paths);
  if (identity === undefined) return;
  throw new CliError(
    `This machine is a node of ${identity.server}; start that with: k8ts join ${identity.server} (to leave that cluster: k8ts reset)`,
    exitCodes.usage,
  );
}

const UNIT = 'k8ts.service';
/** Flags that concern the command, not the cluster. */
const COMMAND_FLAGS = ['--timeout', '--merge-kubeconfig', '--output', '-o'];

/** Where its unit is installed systemd starts it; one that starts already is waited for. */
function start(isStarting: boolean, paths: Paths, timeoutSeconds: number, output: Output): Promise<DaemonStatus> {
  if (isStarting) {
    const ended = (): CliError | undefined =>
      lockHolder(paths.lock) === undefined
        ? new CliError('The k8ts that was about to start has ended; see k8ts logs')
        : undefined;
    return followStart(paths, timeoutSeconds, output, ended);
  }
  const args = process.argv.slice(2);
  if (!installedUnits(paths).includes(UNIT))
    return startInBackground([...args, '--foreground'], paths, timeoutSeconds, output);
  const settings = args.filter(arg => arg.startsWith('-') && !COMMAND_FLAGS.includes(arg.split('=')[0] ?? ''));
  if (settings.length > 0) {
    throw new CliError(
      `systemd starts k8ts here (${UNIT}) and knows nothing of ${settings.join(' ')}; write it into ${paths.configFile}`,
      exitCodes.usage,
    );
  }
  return startBySystemd(UNIT, paths, timeoutSeconds, output);
}
