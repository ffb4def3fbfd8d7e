/** `k8ts up`: a whole cluster on this machine, in the background unless told otherwise. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { loadKubeconfig, mergeKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { startInBackground } from '../background.ts';
import type { Config } from '../config.ts';
import { askStatus } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { seconds, type Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { runDaemon } from './run.ts';

export async function up(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (args['foreground'] === true) return runDaemon('up', config);
  if (process.getuid?.() !== 0)
    throw new CliError('Running containers needs root; try: sudo k8ts up', exitCodes.notRoot);
  const paths = pathsOf(config);
  const running = await askStatus(paths.controlSocket);
  if (running !== undefined) {
    output.result(running, `k8ts runs already (pid ${running.pid}, up ${running.uptimeSeconds} s); nothing changed`);
  } else {
    const begin = performance.now();
    const status = await startInBackground(
      [...process.argv.slice(2), '--foreground'],
      paths,
      Number(args['timeout']),
      output,
    );
    const facts = `node ${status.nodeName ?? ''} is Ready, cluster DNS answers at ${status.clusterDns ?? ''}`;
    output.result(
      status,
      `k8ts is up after ${seconds(performance.now() - begin)}: ${facts}\n  export KUBECONFIG=${paths.adminKubeconfig}`,
    );
  }
  if (args['merge-kubeconfig'] === true) {
    const own = process.env['KUBECONFIG']?.split(':')[0] ?? join(homedir(), '.kube', 'config');
    await mergeKubeconfig(own, { ...(await loadKubeconfig(paths.adminKubeconfig)), name: 'k8ts' });
    output.line(`Added context "k8ts" to ${own} and made it the current one`);
  }
}
