/** `k8ts status`: what runs here, read from the running process itself, and what of its API server is not in order. */
import { existsSync } from 'node:fs';
import { adminClient } from '../admin-client.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import type { Config } from '../config.ts';
import { askStatus, type DaemonStatus } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf, type Paths } from '../paths.ts';
import { requireAccess } from '../require-access.ts';

/** An API server that takes longer is told as one that does not answer. */
const READY_MS = 5_000;

export async function status(config: Config, output: Output): Promise<void> {
  const paths = pathsOf(config);
  const { controlSocket } = paths;
  requireAccess(controlSocket, 'status');
  const running = await askStatus(controlSocket);
  if (running === undefined) {
    if (!output.isJson) throw new CliError('k8ts is not running here; start it with: k8ts up', exitCodes.notRunning);
    output.result({ phase: 'stopped' });
    process.exitCode = exitCodes.notRunning;
    return;
  }
  const notReady = running.phase === 'running' ? await failingChecks(paths) : [];
  output.result({ ...running, notReady }, describe(running, notReady));
}

/** The checks of /readyz that fail; none on a machine without a control plane. */
async function failingChecks(paths: Paths): Promise<string[]> {
  if (!existsSync(paths.adminKubeconfig)) return [];
  const { client, close } = await adminClient(paths);
  try {
    await client.raw('GET', '/readyz', undefined, AbortSignal.timeout(READY_MS));
    return [];
  } catch (error) {
    // Its answer is text, one line a check.
    const answer = error instanceof StatusError ? (error.details?.causes?.[0]?.message ?? '') : '';
    const failed = [...answer.matchAll(/^\[-\](\S+) failed/gm)].map(([, name = '']) => name);
    if (failed.length > 0) return failed;
    return [errorText(error)];
  } finally {
    await close();
  }
}

function describe(s: DaemonStatus, notReady: readonly string[]): string {
  const rows: [string, string | undefined][] = [
    ['phase', `${s.phase} (${s.role}, pid ${s.pid}, up ${duration(s.uptimeSeconds)})`],
    ['version', s.version],
    ['node', s.nodeName],
    ['API server', s.apiServer],
    ['not ready', notReady.length === 0 ? undefined : `${notReady.join(', ')}; why: k8ts logs`],
    ['cluster DNS', s.clusterDns],
    ['runtime', s.containerRuntime],
    ['services by', s.proxyMode],
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
