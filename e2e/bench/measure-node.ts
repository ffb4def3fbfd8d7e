/** What a node takes beside single starts: a full node, its rest, ends of pods, changes of readiness, exec probes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { closeEstate } from '../machine/estate.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { pidsNaming } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, IMAGE } from '../suites/objects.ts';
import { startNodePrograms, UPSTREAM } from '../upstream/upstream-programs.ts';
import { CriFloor } from './cri-floor.ts';
import { summarize, type Summary } from './figures.ts';
import { measureRest, type Rest } from './rest.ts';

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
  readonly upstream: Rest | undefined;
  readonly deleteMs: Summary;
  readonly readinessMs: Summary;
}

/** @param windowMs over which CPU is measured */
export async function measureNode(windowMs: number, say: (text: string) => void): Promise<NodeFigures> {
  const cluster = newCluster('bench-node', { workers: 1 });
  try {
    await cluster.build();
    await cluster.up();
    const k = await cluster.kubectl.newNamespace('bench');
    const { deleteMs, readinessMs } = await measureTimes(cluster, k.namespace);
    say(`delete to gone, obeys SIGTERM   ${line(deleteMs)} (500 ms wanted)`);
    say(`readiness answer to watchers    ${line(readinessMs)} (50 ms wanted)`);
    const { control } = cluster;
    const { pid } = control;
    if (pid === undefined) throw new Error('k8ts does not run');
    const fullMs = await fill(k);
    const full = await measureRest(pid, SETTLE_MS, windowMs);
    await remove(k, 'full');
    const probing = await measureProbes(k, control.name, IMAGE, pid, windowMs);
    say(`${PROBED * 60} exec probes a minute      ${probing.cpuPercent.toFixed(1)} % of a core`);
    const upstream = await measureUpstream(cluster, k, windowMs);
    if (upstream === undefined) say('upstream is not measured: CONFORMANCE_DIR has no bin/kubelet');
    else say(`the same, upstream's kubelet   ${upstream.cpuPercent.toFixed(1)} % of a core (as much is wanted)`);
    await cluster.control.kill9();
    const fullFloorMs = await floor(cluster);
    say(
      `${FULL} pods at once, k8ts          ${fullMs} ms: ${(fullMs / fullFloorMs).toFixed(2)}x of ${fullFloorMs} ms (15 s or 1.15x wanted)`,
    );
    say(
      `with ${FULL} idle pods              ${full.memoryMB.toFixed(0)} MB, ${full.cpuPercent.toFixed(2)} % of a core (110 MB, 1.5 % wanted)`,
    );
    return { fullMs, fullFloorMs, full, probing, upstream, deleteMs, readinessMs };
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

/** CPU of `pid` while pods with exec probes run on `node`. */
async function measureProbes(k: Kubectl, node: string, image: string, pid: number, windowMs: number): Promise<Rest> {
  const readinessProbe = { exec: { command: ['/bin/true'] }, periodSeconds: 1 };
  const name = `probed-${node}`;
  await rollOut(k, name, PROBED, { image, readinessProbe }, { nodeName: node });
  const rest = await measureRest(pid, SETTLE_MS, windowMs);
  await remove(k, name);
  return rest;
}

/** The same by upstream's kubelet on the other host; undefined where it is not on this machine. */
async function measureUpstream({ control, workers }: Cluster, k: Kubectl, windowMs: number): Promise<Rest | undefined> {
  const [host] = workers;
  if (host === undefined || !existsSync(join(UPSTREAM, 'bin', 'kubelet'))) return undefined;
  await startNodePrograms(control, host);
  await waitFor("upstream's node", async () => (await k.try(['get', 'node', host.name])).code === 0);
  await k.run(['wait', '--for=condition=Ready', `node/${host.name}`, '--timeout=60s']);
  const pid = pidsNaming(host.path('kubelet-pki'))[0];
  if (pid === undefined) throw new Error("upstream's kubelet does not run");
  return measureProbes(k, host.name, 'docker.io/local/e2e:busybox', pid, windowMs);
}

async function fill(k: Kubectl): Promise<number> {
  const begin = performance.now();
  await rollOut(k, 'full', FULL);
  return Math.round(performance.now() - begin);
}

async function rollOut(
  k: Kubectl,
  name: string,
  replicas: number,
  container: object = {},
  spec: object = {},
): Promise<void> {
  await k.apply(deployment(name, { replicas, command: IDLE, container: { ...container }, spec: { ...spec } }));
  await k.run(['rollout', 'status', `deployment/${name}`, '--timeout=240s'], { timeoutMs: 250_000 });
}

async function remove(k: Kubectl, name: string): Promise<void> {
  await k.run(['delete', 'deployment', name]);
  await k.run(['wait', '--for=delete', 'pod', '-l', `app=${name}`, '--timeout=180s'], { timeoutMs: 190_000 });
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
