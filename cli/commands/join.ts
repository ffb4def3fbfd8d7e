/** `k8ts join SERVER --token ...`: makes this machine a node. The token comes as a flag, as K8TS_TOKEN, or with `--token -` on standard input. */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { urlHost } from '../../machinery/meta/host-port.ts';
import { startBySystemd, startInBackground } from '../background.ts';
import { nodeNameOf, type Config } from '../config.ts';
import { askStatus } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { joinCluster, loadIdentity } from '../join/node-identity.ts';
import { parseJoinToken } from '../join/join-token.ts';
import { readKubeletFile } from '../kubelet-file.ts';
import { nodeAddresses } from '../node-address.ts';
import { seconds, type Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { installedUnits } from '../systemd.ts';
import { runDaemon } from './run.ts';

const UNIT = 'k8ts-agent.service';

export async function join(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new CliError('Joining a cluster needs root; try: sudo k8ts join', exitCodes.notRoot);
  const paths = pathsOf(config);
  const running = await askStatus(paths.controlSocket);
  if (running !== undefined) {
    throw new CliError(
      `k8ts runs here already (pid ${running.pid}, ${running.role}); stop it first: k8ts down`,
      exitCodes.alreadyRunning,
    );
  }
  // Before a token is spent.
  if (config.kubeletConfig ?? config.kubeletConfigDir) await readKubeletFile(config);
  const server = serverUrl(String(args['server']));
  const begin = performance.now();
  const known = await loadIdentity(paths);
  if (known?.server === server) {
    output.line(`This machine joined ${server} before; starting it again (to join anew: k8ts reset)`);
  } else {
    const token = tokenOf(args['token'] as string | undefined);
    // Which families the cluster has is not known yet.
    const nodeIps = nodeAddresses(config.nodeIp, undefined);
    await joinCluster(server, token, { nodeName: nodeNameOf(config), nodeIps }, paths);
    output.step('certificates', performance.now() - begin, `signed by ${server}`);
  }
  if (args['foreground'] === true) return runDaemon('agent', config);
  // The agent takes the same settings; of join's own it needs none, and the secret must not stay on a command line.
  const flags = agentFlags(process.argv.slice(2));
  const timeoutSeconds = Number(args['timeout']);
  const status =
    installedUnits(paths).includes(UNIT) && flags.length === 0
      ? await startBySystemd(UNIT, paths, timeoutSeconds, output)
      : await startInBackground(['agent', ...flags], paths, timeoutSeconds, output);
  output.result(status, `node ${status.nodeName ?? ''} is Ready after ${seconds(performance.now() - begin)}`);
}

function tokenOf(given: string | undefined): ReturnType<typeof parseJoinToken> {
  if (given === undefined) {
    throw new CliError(
      'This machine is no node of that cluster yet; say --token TOKEN (from k8ts token create on the control machine)',
      exitCodes.usage,
    );
  }
  return parseJoinToken((given === '-' ? readFileSync(0, 'utf8') : given).trim());
}

function serverUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `https://${isIPv6(text) ? urlHost(text) : text}`;
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new CliError(`"${text}" is no address of a server; want https://HOST:6443`, exitCodes.usage);
  }
  if (parsed.protocol !== 'https:') throw new CliError(`"${text}": only https is spoken`, exitCodes.usage);
  return `https://${parsed.hostname}:${parsed.port === '' ? (/:443$/.test(text) ? '443' : '6443') : parsed.port}`;
}

/** Flags of the command line without `join`, SERVER and those that only join knows. */
function agentFlags(args: readonly string[]): string[] {
  const own = new Set(['--token', '--timeout', '--foreground', '--output', '-o']);
  const flags: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-')) continue;
    const name = arg.split('=')[0] ?? arg;
    const hasValue =
      !arg.includes('=') && name !== '--foreground' && i + 1 < args.length && !(args[i + 1] ?? '').startsWith('--');
    if (!own.has(name)) flags.push(arg, ...(hasValue ? [args[i + 1] ?? ''] : []));
    if (hasValue) i++;
  }
  return flags;
}
