/**
 * `make bench`: the API server and the scheduler against upstream's, then pods and a full node against the container runtime alone, then Services on either packet
 * filter, each in the same run on the same machine.
 *
 *   tsx e2e/bench/main.ts [--only api|sched|scale|pods|node|proxy|dns] [--rounds 2] [--one 15] [--at-once 40] [--rest-seconds 60]
 *     [--services 100,1000,10000] [--scheduled 2000] [--case NAME] [--nodes 1000] [--deployments 5000] [--replicas 10] [--output json]
 *
 * `scale`, a cluster of 50,000 pods on 1,000 made-up nodes, takes long: it runs by --only alone. --scheduled says how many pods a case of the
 * scheduler's throughput measures (0: none), --case which one alone.
 * Both are measured in turn, round by round, since machines are noisy. For the runtime's turns k8ts is killed: it would take away pods
 * that no API knows. BENCH_SUITE names the bench.mjs of another suite to run on the same cluster; BENCH_SUITE_ARGS its arguments.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { closeEstate, sweepEstates } from '../machine/estate.ts';
import { deployment, IMAGE, pod, service, shell } from '../suites/objects.ts';
import { measureApi } from './api/measure-api.ts';
import { CriFloor } from './cri-floor.ts';
import { measureDns } from './dns/measure-dns.ts';
import { measureNode } from './measure-node.ts';
import { measureProxy } from './measure-proxy.ts';
import { measureRest } from './rest.ts';
import { measureScheduling } from './scheduling/measure-scheduling.ts';
import { measureSettle } from './scheduling/settle.ts';
import { percentile, summarize, type Summary } from './figures.ts';

const POD_TIMES = fileURLToPath(new URL('./pod-times/main.ts', import.meta.url));
const SETTLE_MS = 5_000;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '2' },
    one: { type: 'string', default: '15' },
    'at-once': { type: 'string', default: '40' },
    'rest-seconds': { type: 'string', default: '60' },
    services: { type: 'string', default: '100,1000,10000' },
    scheduled: { type: 'string', default: '2000' },
    case: { type: 'string', default: '' },
    nodes: { type: 'string', default: '1000' },
    deployments: { type: 'string', default: '5000' },
    replicas: { type: 'string', default: '10' },
    only: { type: 'string', default: '' },
    output: { type: 'string', default: 'text' },
  },
});
type Numeric = 'rounds' | 'one' | 'at-once' | 'rest-seconds' | 'scheduled' | 'nodes' | 'deployments' | 'replicas';
const number = (name: Numeric): number => Number(values[name]);
const json = values.output === 'json';
const say = (text: string): void => void (json || console.log(text));

interface Figures {
  upMs: number;
  dnsPodMs: number;
  restartMs: number;
  memoryMB: number;
  cpuPercent: number;
  floor: { one: Summary; atOnceMs: number };
  k8ts: { one: Summary; atOnceMs: number };
  ratios: { oneP50: number; atOnce: number };
  suite?: unknown;
}

/** From nothing to a pod that asked cluster DNS and got its answer. */
async function measureStart(cluster: Cluster): Promise<{ upMs: number; dnsPodMs: number }> {
  const begin = performance.now();
  await cluster.up();
  const upMs = performance.now() - begin;
  const ask = 'until nslookup kubernetes.default.svc.cluster.local; do sleep 0.05; done';
  const { kubectl } = cluster;
  await kubectl.create(pod('dns', { command: shell(ask), spec: { restartPolicy: 'Never' } }));
  await kubectl.run(['wait', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s', 'pod/dns']);
  const dnsPodMs = performance.now() - begin;
  await kubectl.run(['delete', 'pod', 'dns']);
  return { upMs, dnsPodMs };
}

async function measurePods(cluster: Cluster): Promise<{ one: number[]; atOnceMs: number }> {
  // After a kill, what the runtime's turn and the last pods left is cleaned up first; that is not what is measured here.
  await sleep(SETTLE_MS);
  const k = await cluster.kubectl.newNamespace('bench');
  const argv = [process.execPath, '--import', 'tsx', POD_TIMES];
  const args = [cluster.control.kubeconfig, k.namespace, IMAGE, String(number('one')), String(number('at-once'))];
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const text = await cluster.control.run([...argv, ...args], { timeoutMs: 600_000, cwd });
  await k.removeNamespace();
  return JSON.parse(text) as { one: number[]; atOnceMs: number };
}

async function measureFloor(cluster: Cluster): Promise<{ one: number[]; atOnceMs: number }> {
  const { control } = cluster;
  const floor = new CriFloor(control.containerdSocket, `/${control.cgroupRoot}/floor`, control.path('log'), IMAGE);
  try {
    const one = await floor.oneAtATime(number('one'));
    return { one, atOnceMs: await floor.allAtOnce(number('at-once')) };
  } finally {
    floor.close();
  }
}

async function measure(cluster: Cluster): Promise<Figures> {
  const { upMs, dnsPodMs } = await measureStart(cluster);
  say(`k8ts up to node Ready          ${upMs.toFixed(0)} ms (3,000 wanted)`);
  say(`k8ts up to pod with DNS answer ${dnsPodMs.toFixed(0)} ms (6,000 wanted)`);
  await cluster.kubectl.apply(deployment('demo', { replicas: 2 }), service('demo', { type: 'NodePort' }));
  await cluster.kubectl.run(['rollout', 'status', 'deployment/demo', '--timeout=60s']);
  const { memoryMB, cpuPercent } = await measureRest(cluster.control.pid, SETTLE_MS, number('rest-seconds') * 1000);
  say(`memory at rest, proportional   ${memoryMB.toFixed(0)} MB (200 wanted)`);
  say(`CPU at rest                    ${cpuPercent.toFixed(2)} % of a core (1 wanted)`);
  const [ours, floors]: [{ one: number[]; atOnceMs: number }[], { one: number[]; atOnceMs: number }[]] = [[], []];
  let restartMs = NaN;
  for (let round = 1; round <= number('rounds'); round++) {
    ours.push(await measurePods(cluster));
    await cluster.control.kill9();
    floors.push(await measureFloor(cluster));
    const begin = performance.now();
    await cluster.up();
    restartMs = performance.now() - begin;
  }
  const of = (rounds: typeof ours) => ({
    one: summarize(rounds.flatMap(r => r.one)),
    atOnceMs: Math.round(
      percentile(
        rounds.map(r => r.atOnceMs),
        50,
      ),
    ),
  });
  const [k8ts, floor] = [of(ours), of(floors)];
  const ratios = { oneP50: k8ts.one.p50 / floor.one.p50, atOnce: k8ts.atOnceMs / floor.atOnceMs };
  const line = (s: Summary): string => `p50 ${s.p50} p90 ${s.p90} p99 ${s.p99} max ${s.max} ms`;
  say(`one pod at a time, runtime     ${line(floor.one)}`);
  say(`one pod at a time, k8ts        ${line(k8ts.one)}: p50 ${ratios.oneP50.toFixed(2)}x (1.5x, p99 600 ms wanted)`);
  say(`${number('at-once')} pods at once, runtime        ${floor.atOnceMs} ms`);
  say(
    `${number('at-once')} pods at once, k8ts           ${k8ts.atOnceMs} ms: ${ratios.atOnce.toFixed(2)}x (1.25x wanted)`,
  );
  say(`k8ts up after kill -9          ${restartMs.toFixed(0)} ms`);
  const suite = await runSuite(cluster);
  return {
    upMs,
    dnsPodMs,
    restartMs,
    memoryMB,
    cpuPercent,
    floor,
    k8ts,
    ratios,
    ...(suite === undefined ? {} : { suite }),
  };
}

/** The same figures by a client that other systems are measured with, where there is one. */
async function runSuite(cluster: Cluster): Promise<unknown> {
  const script = process.env['BENCH_SUITE'];
  if (script === undefined) return undefined;
  const args = (process.env['BENCH_SUITE_ARGS'] ?? `pods --image ${IMAGE}`).split(' ');
  const text = await cluster.control.run([process.execPath, script, ...args], {
    env: { KUBECONFIG: cluster.control.kubeconfig },
    timeoutMs: 900_000,
  });
  say(text);
  return JSON.parse(text) as unknown;
}

if (process.getuid?.() !== 0) {
  console.error('Measuring runs real containers and needs root; run it with sudo');
  process.exit(5);
}
async function measureCluster(): Promise<Figures> {
  const cluster = newCluster('bench');
  try {
    await cluster.build();
    return await measure(cluster);
  } finally {
    await closeEstate(cluster.estate);
  }
}

await sweepEstates();
const wants = (part: string): boolean => values.only === '' || values.only === part;
const api = wants('api') ? await measureApi(number('rounds'), say) : undefined;
const sched = wants('sched')
  ? await measureScheduling(number('rounds'), number('scheduled'), values.case, say)
  : undefined;
const size = { nodes: number('nodes'), deployments: number('deployments'), replicas: number('replicas') };
const scale = values.only === 'scale' ? await measureSettle(size, say) : undefined;
const pods = wants('pods') ? await measureCluster() : undefined;
const node = wants('node') ? await measureNode(number('rest-seconds') * 1000, say) : undefined;
const proxy = wants('proxy') ? await measureProxy(values.services.split(',').map(Number), say) : undefined;
const dns = wants('dns') ? await measureDns(say) : undefined;
if (json) console.log(JSON.stringify({ api, sched, scale, ...pods, node, proxy, dns }, undefined, 2));
