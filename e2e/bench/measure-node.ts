/** What a node takes beside single starts: a full node, its rest, ends of pods, changes of readiness, exec probes. */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { closeEstate } from '../machine/estate.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { cpuMs, pssBytes } from '../machine/processes.ts';
import { deployment, IDLE, IMAGE } from '../suites/objects.ts';
import { CriFloor } from './cri-floor.ts';
import { summarize, type Summary } from './figures.ts';

const TREE = fileURLToPath(new URL('../..', import.meta.url));
const FULL = 110;
/** One a second each: 1,020 a minute. */
const PROBED = 17;
const SETTLE_MS = 10_000;

export interface NodeFigures {
  readonly fullMs: number;
  readonly fullFloorMs: number;
  readonly full: Rest;
  readonly probing: Rest;
  readonly deleteMs: Summary;
  readonly readinessMs: Summary;
}

interface Rest {
  readonly memoryMB: number;
  readonly cpuPercent: number;
}

/** @param windowMs over which CPU is measured */
export async function measureNode(windowMs: number, say: (text: string) => void): Promise<NodeFigures> {
  const cluster = newCluster('bench-node');
  try {
    await cluster.start();
    const k = await cluster.kubectl.newNamespace('bench');
    const { deleteMs, readinessMs } = await measureTimes(cluster, k.namespace);
    say(`delete to gone, obeys SIGTERM   ${line(deleteMs)} (500 ms wanted)`);
    say(`readiness answer to watchers    ${line(readinessMs)} (50 ms wanted)`);
    const probing = await measureProbes(cluster, k, windowMs);
    say(`${PROBED * 60} exec probes a minute       ${probing.cpuPercent.toFixed(1)} % of a core`);
    const fullMs = await fill(k);
    const full = await measureRest(cluster, windowMs);
    await k.run(['delete', 'deployment', 'full']);
    await k.run(['wait', '--for=delete', 'pod', '-l', 'app=full', '--timeout=180s']);
    await cluster.control.kill9();
    const fullFloorMs = await floor(cluster);
    say(
      `${FULL} pods at once, k8ts          ${fullMs} ms: ${(fullMs / fullFloorMs).toFixed(2)}x of ${fullFloorMs} ms (15 s or 1.15x wanted)`,
    );
    say(
      `with ${FULL} idle pods              ${full.memoryMB.toFixed(0)} MB, ${full.cpuPercent.toFixed(2)} % of a core (110 MB, 1.5 % wanted)`,
    );
    return { fullMs, fullFloorMs, full, probing, deleteMs, readinessMs };
  } finally {
    await closeEstate(cluster.estate);
  }
}

function line(s: Summary): string {
  return `p50 ${s.p50} p90 ${s.p90} max ${s.max} ms`;
}

async function measureTimes(cluster: Cluster, namespace: string): Promise<{ deleteMs: Summary; readinessMs: Summary }> {
  const { control } = cluster;
  const program = fileURLToPath(new URL('./node-times/main.ts', import.meta.url));
  const argv = [process.execPath, '--import', 'tsx', program, control.kubeconfig, namespace, IMAGE, control.address];
  const text = await control.run([...argv, '12', '12'], { timeoutMs: 300_000, cwd: TREE });
  const times = JSON.parse(text) as { deleteMs: number[]; readinessMs: number[] };
  return { deleteMs: summarize(times.deleteMs), readinessMs: summarize(times.readinessMs) };
}

async function measureRest(cluster: Cluster, windowMs: number): Promise<Rest> {
  const { pid } = cluster.control;
  if (pid === undefined) throw new Error('k8ts does not run');
  await sleep(SETTLE_MS);
  const [begin, before] = [performance.now(), cpuMs(pid)];
  await sleep(windowMs);
  const cpuPercent = ((cpuMs(pid) - before) / (performance.now() - begin)) * 100;
  return { memoryMB: pssBytes(pid) / 1e6, cpuPercent };
}

async function measureProbes(cluster: Cluster, k: Kubectl, windowMs: number): Promise<Rest> {
  const readinessProbe = { exec: { command: ['/bin/true'] }, periodSeconds: 1 };
  await rollOut(k, 'probed', PROBED, { readinessProbe });
  const rest = await measureRest(cluster, windowMs);
  await k.run(['delete', 'deployment', 'probed']);
  await k.run(['wait', '--for=delete', 'pod', '-l', 'app=probed', '--timeout=120s']);
  return rest;
}

async function fill(k: Kubectl): Promise<number> {
  const begin = performance.now();
  await rollOut(k, 'full', FULL, {});
  return Math.round(performance.now() - begin);
}

async function rollOut(k: Kubectl, name: string, replicas: number, container: Record<string, unknown>): Promise<void> {
  await k.apply(deployment(name, { replicas, command: IDLE, container }));
  await k.run(['rollout', 'status', `deployment/${name}`, '--timeout=240s'], { timeoutMs: 250_000 });
}

/** The same number of pods by the runtime alone. */
async function floor(cluster: Cluster): Promise<number> {
  const { control } = cluster;
  const runtime = new CriFloor(control.containerdSocket, `/${control.cgroupRoot}/floor`, control.path('log'), IMAGE);
  try {
    return Math.round(await runtime.allAtOnce(FULL));
  } finally {
    runtime.close();
  }
}
