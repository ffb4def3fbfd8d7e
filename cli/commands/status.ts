/** `k8ts status`: what runs here, read from the running process itself. */
import type { Config } from '../config.ts';
import { askStatus, type DaemonStatus } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { requireAccess } from '../require-access.ts';

export async function status(config: Config, output: Output): Promise<void> {
  const { controlSocket } = pathsOf(config);
  requireAccess(controlSocket, 'status');
  const running = await askStatus(controlSocket);
  if (running === undefined) {
    if (!output.isJson) throw new CliError('k8ts is not running here; start it with: k8ts up', exitCodes.notRunning);
    output.result({ phase: 'stopped' });
    process.exitCode = exitCodes.notRunning;
    return;
  }
  output.result(running, describe(running));
}

function describe(s: DaemonStatus): string {
  const rows: [string, string | undefined][] = [
    ['phase', `${s.phase} (${s.role}, pid ${s.pid}, up ${duration(s.uptimeSeconds)})`],
    ['version', s.version],
    ['node', s.nodeName],
    ['API server', s.apiServer],
    ['cluster DNS', s.clusterDns],
    ['runtime', s.containerRuntime],
    ['kubeconfig', s.kubeconfig],
  ];
  const head = rows.filter(([, v]) => v !== undefined).map(([k, v]) => `${k.padEnd(12)} ${v}`);
  const steps = s.steps
    .filter(x => x.state !== 'done')
    .map(x => `${x.state.padEnd(12)} ${x.name} (${(x.ms / 1000).toFixed(1)} s) ${x.detail}`);
  return [...head, ...steps].join('\n');
}

function duration(totalSeconds: number): string {
  const [h, m, s] = [
    Math.floor(totalSeconds / 3600),
    Math.floor(totalSeconds / 60) % 60,
    Math.floor(totalSeconds) % 60,
  ];
  return h > 0 ? `${h}h${m}m` : m > 0 ? `${m}m${s}s` : `${s}s`;
}
