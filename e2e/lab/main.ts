/**
 * `make lab`, `make lab-down`: a cluster of one control node and some workers, each a network namespace with its own k8ts and containerd,
 * that stays up until it is taken away.
 *
 *   tsx e2e/lab/main.ts up [--nodes N] [--conformance] [--proxy-mode MODE]    tsx e2e/lab/main.ts down|status [--output json]
 *
 * The host's own namespace reaches the nodes, the pods and the services through one veth; nothing else of the host is touched.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Cluster, named } from '../machine/cluster.ts';
import { closeEstate, listEstates, sweepEstates, type Estate } from '../machine/estate.ts';

const NAME = 'lab';
/** Versions that the suite and upstream's controller manager of 1.20 ask for, and that are off without a word. */
const CONFORMANCE_VERSIONS = ['batch/v1beta1=true', 'discovery.k8s.io/v1beta1=true', 'policy/v1beta1=true'];
// Not the defaults: a cluster of the host's own may run beside.
const CLUSTER_CIDR = '10.245.0.0/16';
const SERVICE_CIDR = '10.97.0.0/16';

function find(): (Estate & { workers: number }) | undefined {
  const estate = listEstates().find(e => e.owner?.name === NAME);
  if (estate === undefined) return undefined;
  let workers = 0;
  while (existsSync(`${estate.directory}/w${workers + 1}`)) workers++;
  return { ...estate, workers };
}

function tell(cluster: Cluster, json: boolean): void {
  const nodes = cluster.hosts.map(h => ({
    name: h.name,
    address: h.address,
    containerd: h.containerdSocket,
    log: h.path('log'),
  }));
  const kubeconfig = cluster.control.kubeconfig;
  if (json) return void console.log(JSON.stringify({ server: cluster.serverUrl, kubeconfig, nodes }, undefined, 2));
  console.log(`\nThe lab runs at ${cluster.serverUrl}:\n  export KUBECONFIG=${kubeconfig}`);
  for (const n of nodes) console.log(`  ${n.name.padEnd(4)} ${n.address.padEnd(14)} ${n.containerd}`);
  console.log('Take it away with: make lab-down');
}

async function up(workers: number, conformance: boolean, proxyMode: string, json: boolean): Promise<void> {
  const running = find();
  if (running !== undefined) {
    const cluster = new Cluster(running, { workers: running.workers });
    if (cluster.control.pid === undefined)
      throw new Error('a lab is here that does not run; take it away first: make lab-down');
    if (!json) console.log('The lab runs already; nothing changed');
    return tell(cluster, json);
  }
  const settings = {
    'cluster-cidr': CLUSTER_CIDR,
    'service-cidr': SERVICE_CIDR,
    'legacy-token-secrets': conformance,
    ...(conformance ? { 'runtime-config': CONFORMANCE_VERSIONS } : {}),
  };
  const begin = performance.now();
  const cluster = await named(NAME, {
    workers,
    settings,
    nodeSettings: { 'proxy-mode': proxyMode },
    keep: true,
    reachable: [CLUSTER_CIDR, SERVICE_CIDR],
  });
  if (!json) console.log(`✔ ${workers + 1} nodes ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  tell(cluster, json);
}

async function down(): Promise<void> {
  const lab = find();
  if (lab === undefined) console.log('There is no lab; nothing changed');
  else {
    await closeEstate(lab);
    console.log('✔ the lab is gone');
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string', default: '2' },
    conformance: { type: 'boolean', default: false },
    'proxy-mode': { type: 'string', default: 'auto' },
    output: { type: 'string', default: 'text' },
  },
});
const json = values.output === 'json';
const workers = Number(values.nodes);
if (process.getuid?.() !== 0) {
  console.error('The lab makes network namespaces and needs root; run it with sudo');
  process.exit(5);
}
if (!Number.isInteger(workers) || workers < 0 || workers > 50) {
  console.error(`--nodes: "${values.nodes}" is no number from 0 to 50`);
  process.exit(2);
}
await sweepEstates();
switch (positionals[0]) {
  case 'up':
    try {
      await up(workers, values.conformance, values['proxy-mode'], json);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      console.error('What was made stays for a look (/tmp/k8ts-e2e); make lab-down takes it away');
      process.exit(1);
    }
    break;
  case 'down':
    await down();
    break;
  case 'status': {
    const lab = find();
    if (lab === undefined) console.log('There is no lab');
    else tell(new Cluster(lab, { workers: lab.workers }), json);
    break;
  }
  default:
    console.error('Say what to do: up [--nodes N] [--conformance], down or status');
    process.exit(2);
}
