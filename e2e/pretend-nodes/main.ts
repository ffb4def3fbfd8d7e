/**
 * Pretends to be many nodes, through the public API alone: `npx tsx e2e/pretend-nodes/main.ts --help`.
 */
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { loadKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { Reflector } from '../../machinery/client/reflector.ts';
import { pods } from '../../machinery/client/resource.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { systemClock as clock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { Heartbeats } from './heartbeats.ts';
import { Http2Transport } from './http2-transport.ts';
import { nodeAddress } from './plan/node-objects.ts';
import { keptOfPod } from './plan/pod-step.ts';
import { PretendPods } from './pretend-pods.ts';
import { removeAll } from './remove-all.ts';
import { Writes } from './writes.ts';

const HELP = `Pretends to be many nodes: registers them, renews their Leases, and runs the pods bound to them without running anything.

  npx tsx e2e/pretend-nodes/main.ts [--kubeconfig FILE] [--nodes 100] [options]

  --kubeconfig FILE     default: the environment's KUBECONFIG
  --nodes N             how many; default 100
  --prefix NAME         nodes are called NAME-0 and so on; default pretend
  --zones N             spread over zone-0 and so on; default 3
  --cpu Q --memory Q --pods Q
                        what each node has; default 64, 256Gi, 250
  --start-delay-ms MS   from binding to Running and Ready; default 500
  --stop-delay-ms MS    from deletion to gone; default 100
  --lease-seconds S     between two renewals of a node's Lease; default 10
  --output text|json    json: one object a line, "ready" once all nodes are registered and "summary" at the end; default text
  --cleanup             take the nodes of this prefix away, with the pods bound to them, and end
  --help

It runs until SIGTERM or SIGINT; SIGUSR2 makes it tell the summary so far. Nodes stay when it ends, as when their kubelets ended.
A pod ends by itself with the annotation pretend-nodes/run-seconds: "5", with pretend-nodes/exit-code: "1" as failed.`;

const WRITES_AT_ONCE = 64;

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    nodes: { type: 'string', default: '100' },
    prefix: { type: 'string', default: 'pretend' },
    zones: { type: 'string', default: '3' },
    cpu: { type: 'string', default: '64' },
    memory: { type: 'string', default: '256Gi' },
    pods: { type: 'string', default: '250' },
    'start-delay-ms': { type: 'string', default: '500' },
    'stop-delay-ms': { type: 'string', default: '100' },
    'lease-seconds': { type: 'string', default: '10' },
    output: { type: 'string', default: 'text' },
    cleanup: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function numberOf(name: 'nodes' | 'zones' | 'start-delay-ms' | 'stop-delay-ms' | 'lease-seconds', min: number): number {
  const number = Number(values[name]);
  if (Number.isFinite(number) && number >= min) return number;
  console.error(`--${name} ${values[name]}: a number of ${min} or more is wanted; see --help`);
  process.exit(2);
}

function tell(event: string, data: object): void {
  if (values.output === 'json') return console.log(JSON.stringify({ event, ...data }));
  const parts = Object.entries(data).map(([name, value]) => `${name} ${String(value)}`);
  console.log(`${event}: ${parts.join(', ')}`);
}

function percentile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(part * (sorted.length - 1))] ?? 0);
}

async function pretend(client: RestClient, signal: AbortSignal): Promise<void> {
  const { prefix } = values;
  const count = numberOf('nodes', 1);
  const [startDelayMs, stopDelayMs] = [numberOf('start-delay-ms', 0), numberOf('stop-delay-ms', 0)];
  const intervalMs = numberOf('lease-seconds', 0.1) * 1000;
  const shape = { cpu: values.cpu, memory: values.memory, pods: values.pods, zones: numberOf('zones', 1) };
  const writes = new Writes(clock, signal, WRITES_AT_ONCE, error => console.error(`refused: ${String(error)}`));
  const heartbeats = new Heartbeats({ client, clock, writes, prefix, count, shape, intervalMs });
  const addressOf = (name: string): string | undefined => {
    const index = name.startsWith(`${prefix}-`) ? Number(name.slice(prefix.length + 1)) : NaN;
    return index >= 0 && index < count ? nodeAddress(index) : undefined;
  };
  const pretended = new PretendPods({ client, clock, writes, addressOf, startDelayMs, stopDelayMs });
  const summary = (): void => {
    const { user, system } = process.cpuUsage();
    tell('summary', {
      nodes: count,
      ...pretended.counts(),
      renewals: heartbeats.renewed,
      missedRenewals: heartbeats.missed,
      renewalP50Ms: percentile(heartbeats.latenciesMs, 0.5),
      renewalP99Ms: percentile(heartbeats.latenciesMs, 0.99),
      writesLeft: writes.left,
      retries: writes.retries,
      cpuMs: Math.round((user + system) / 1000),
      memoryMB: Math.round(process.memoryUsage.rss() / 1e6),
    });
  };
  process.on('SIGUSR2', summary);
  const begin = performance.now();
  await heartbeats.register();
  tell('ready', { nodes: count, ms: Math.round(performance.now() - begin) });
  const reflector = new Reflector({
    name: 'pods',
    client: client.of(pods),
    scope: { fieldSelector: 'spec.nodeName!=' },
    target: pretended,
    keep: keptOfPod,
    clock,
    logger: silentLogger,
  });
  await Promise.all([heartbeats.run(signal), reflector.run(signal)]);
  summary();
}

if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const kubeconfig = values.kubeconfig ?? process.env['KUBECONFIG'] ?? '';
if (kubeconfig === '') {
  console.error('Which cluster? Give --kubeconfig FILE or set KUBECONFIG; see --help');
  process.exit(2);
}
const client = new RestClient(new Http2Transport(await loadKubeconfig(kubeconfig)));
if (values.cleanup) {
  tell('removed', await removeAll(client, values.prefix));
  process.exit(0);
}
const stop = new AbortController();
// Every request listens to it.
setMaxListeners(0, stop.signal);
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
await pretend(client, stop.signal);
process.exit(0);
