/**
 * The scheduler's throughput on many made-up nodes.
 *
 * Method: nodes and bound pods are made through the API (`spec.nodeName` set), then, by a server without scheduler, the pods to measure. That server
 * ends, and `k8ts server` with its scheduler starts on the same data: so nothing but scheduling and binding goes on. Throughput is the number of
 * bindings that a watcher sees, from the first to the last, over that time; the process is as cold as after any start. Memory of the scheduler is
 * what the process holds more than the one without it, on the same data, both at rest.
 */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pods } from '../../../machinery/client/resource.ts';
import { pssBytes } from '../../machine/processes.ts';
import { startK8ts, type K8tsServer } from '../api/start-k8ts.ts';
import { RawConnection } from '../api/raw-connection.ts';
import { PRIORITY_CLASS, type SchedulingCase } from './cases.ts';
import { connectTo } from './connect.ts';
import { atOnce, benchPod, makeNamespace, makeNodes } from './objects.ts';
import { PodsSeen } from './pods-seen.ts';

const TIMEOUT_MS = 600_000;
const REST_MS = 8_000;
const NAMESPACE = 'throughput';
/** The label of the pods that are waited for. */
const MEASURED = 'measured';
/** Neither controllers nor, until it is measured, the scheduler. */
const ALONE = ['--without', 'controllers'];
const IDLE = ['--without', 'controllers,scheduler'];

export interface ThroughputSize {
  readonly nodes: number;
  readonly bound: number;
  /** Pods that a case of part 1 measures. */
  readonly measured: number;
}

export interface ThroughputFigures {
  readonly podsPerSecond: number;
  readonly pods: number;
  /** Of the scheduler, MB. */
  readonly memoryMB: number;
}

/** @param directory a new one; clusters of nodes are made there once for each kind of node and kept beside it */
export async function measureThroughput(
  which: SchedulingCase,
  size: ThroughputSize,
  directory: string,
): Promise<ThroughputFigures> {
  await withNodes(which.nodeCpu ?? '64', size.nodes, directory);
  const count = Math.max(1, Math.round(size.measured * which.part));
  const idle = await startK8ts(directory, { flags: IDLE });
  let idleMB: number;
  try {
    await fill(idle, which, size, count);
    idleMB = await restingMB(idle);
  } finally {
    await idle.stop();
  }
  const server = await startK8ts(directory, { flags: ALONE });
  const { client, close } = connectTo(server.access);
  try {
    const seen = await PodsSeen.follow(client, { namespace: NAMESPACE, labelSelector: MEASURED });
    const before = new Set(seen.boundMs.keys());
    await seen.until(`${count} pods bound (${which.name})`, () => seen.boundMs.size >= count, TIMEOUT_MS);
    seen.close();
    const times = [...seen.boundMs].filter(([name]) => !before.has(name)).map(([, ms]) => ms);
    times.sort((a, b) => a - b);
    const seconds = ((times.at(-1) ?? NaN) - (times[0] ?? NaN)) / 1000;
    // What the first event brought does not count: its time is the beginning.
    return {
      podsPerSecond: (times.length - 1) / seconds,
      pods: times.length,
      memoryMB: (await restingMB(server)) - idleMB,
    };
  } finally {
    await close();
    await server.stop();
  }
}

/** Makes the nodes once and takes copies of that cluster afterwards. */
async function withNodes(cpu: string, nodes: number, directory: string): Promise<void> {
  const made = `${directory}-nodes-${cpu}-${nodes}`;
  if (!existsSync(made)) {
    mkdirSync(made, { recursive: true });
    const server = await startK8ts(made, { flags: IDLE });
    try {
      await makeNodes(server.access, nodes, 250, cpu);
      await makeNamespace(server.access, NAMESPACE);
      const value = { metadata: { name: PRIORITY_CLASS }, value: 1000 };
      const connection = await RawConnection.open(server.access);
      await connection.call('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', JSON.stringify(value));
      connection.close();
    } finally {
      await server.stop();
    }
  }
  cpSync(made, directory, { recursive: true });
}

async function fill(server: K8tsServer, which: SchedulingCase, size: ThroughputSize, count: number): Promise<void> {
  const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
  await atOnce(server.access, size.bound, (connection, i) => {
    const shape = which.bound(i);
    const spec = { ...shape.spec, nodeName: `bench-${i % size.nodes}` };
    return connection.call('POST', path, benchPod(`bound-${i}`, { ...shape, spec }));
  });
  await atOnce(server.access, count, (connection, i) => {
    const shape = which.measured(i);
    const labels = { ...shape.labels, [MEASURED]: '' };
    return connection.call('POST', path, benchPod(`measured-${i}`, { ...shape, labels }));
  });
}

/** After a list of everything, as the scheduler makes one: what both then hold is the same. */
async function restingMB({ access, pid }: K8tsServer): Promise<number> {
  const { client, close } = connectTo(access);
  await client.of(pods).list({ limit: 1 });
  await close();
  await sleep(REST_MS);
  return pssBytes(pid) / 1e6;
}
