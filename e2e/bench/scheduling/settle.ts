/**
 * A large cluster of made-up nodes: thousands of Deployments are created; how long until all their pods are ready, what others wait meanwhile, what
 * it takes at rest, and how long after a kill -9 until all is as it was.
 */
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployment } from '../../../proto/api/apps-v1.ts';
import type { RestClient } from '../../../machinery/client/rest-client.ts';
import { Reflector } from '../../../machinery/client/reflector.ts';
import { configMaps, deployments } from '../../../machinery/client/resource.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { closeEstate, openEstate } from '../../machine/estate.ts';
import { cpuMs, pssBytes } from '../../machine/processes.ts';
import { startK8ts, type K8tsServer } from '../api/start-k8ts.ts';
import { summarize, type Summary } from '../figures.ts';
import { measureRest, type Rest } from '../rest.ts';
import { connectTo } from './connect.ts';
import { atOnce, makeNamespace } from './objects.ts';
import { pretendNodes } from './pretend.ts';
import { deploymentOf } from './scale-up.ts';

const NAMESPACES = 50;
/** Room for the pod ranges of all nodes. */
const FLAGS = ['--cluster-cidr', '10.0.0.0/12', '--service-cidr', '10.96.0.0/16'];
const PROBE_EVERY_MS = 50;
const SETTLE_TIMEOUT_MS = 3_600_000;
const REST_SETTLE_MS = 30_000;
const REST_MS = 60_000;
/** Busy no more than this part of a core over `CALM_WINDOW_MS`: all is done. */
const CALM = 0.5;
const CALM_WINDOW_MS = 3_000;

export interface ScaleSize {
  readonly nodes: number;
  readonly deployments: number;
  readonly replicas: number;
}

export interface SettleFigures {
  /** Seconds until every Deployment was created, and until every one had all its pods. */
  readonly createdS: number;
  readonly settledS: number;
  /** Of the server, until then, seconds. */
  readonly cpuS: number;
  /** What another client waits meanwhile, milliseconds. */
  readonly get: Summary;
  readonly create: Summary;
  /** The largest of the server while it settled, MB. */
  readonly peakMB: number;
  readonly rest: Rest;
  /** Requests in a minute at rest by verb and resource, those of 10 and more; Lease renewals are those of the nodes. */
  readonly requestsAtRest: Readonly<Record<string, number>>;
  /** After a kill -9: until it answers, until a new Deployment has its pods, until the server is calm again. */
  readonly restart: { readonly readyMs: number; readonly newPodsMs: number; readonly calmMs: number };
  readonly nodes: Readonly<Record<string, number>>;
}

export async function measureSettle(size: ScaleSize, say: (text: string) => void): Promise<SettleFigures> {
  const estate = openEstate('bench-scale');
  const directory = join(estate.directory, 'k8ts');
  let server = await startK8ts(directory, { flags: FLAGS });
  const { client, close } = connectTo(server.access);
  const pretended = await pretendNodes(server.kubeconfig, size.nodes);
  try {
    const settled = await settle(server, client, size);
    say(
      `${size.deployments} Deployments, ${size.deployments * size.replicas} pods, ${size.nodes} nodes settled in ${settled.settledS.toFixed(0)} s, ${settled.cpuS.toFixed(0)} s of CPU`,
    );
    say(`meanwhile get p99 ${settled.get.p99} ms, create p99 ${settled.create.p99} ms (1,000 wanted)`);
    const { pid } = server;
    const rest = await measureRest(pid, REST_SETTLE_MS, 1);
    const before = await requestCounts(client);
    const { cpuPercent } = await measureRest(pid, 0, REST_MS);
    const requestsAtRest = difference(before, await requestCounts(client));
    say(`memory at its most ${settled.peakMB.toFixed(0)} MB, at rest ${rest.memoryMB.toFixed(0)} MB`);
    say(`CPU at rest, Lease renewals of all nodes included: ${cpuPercent.toFixed(1)} % of a core`);
    say(`requests in a minute at rest: ${JSON.stringify(requestsAtRest)}`);
    await server.kill9();
    const begin = performance.now();
    server = await startK8ts(directory, { port: server.access.port, flags: FLAGS });
    const readyMs = Math.round(performance.now() - begin);
    const restart = { readyMs, ...(await untilCalm(server, client, begin, size.replicas)) };
    say(
      `after kill -9: answers after ${restart.readyMs} ms, a new Deployment has its pods after ${restart.newPodsMs} ms, calm after ${restart.calmMs} ms`,
    );
    const nodes = await pretended.stop();
    return { ...settled, rest: { ...rest, cpuPercent }, requestsAtRest, restart, nodes };
  } finally {
    await pretended.stop();
    await close();
    await server.stop();
    await closeEstate(estate);
  }
}

async function settle(server: K8tsServer, client: RestClient, size: ScaleSize) {
  const { access, pid } = server;
  for (let i = 0; i < NAMESPACES; i++) await makeNamespace(access, `scale-${i}`);
  const ready = new ReadyDeployments(client, size.replicas);
  const probe = new Probe(client);
  const [begin, before] = [performance.now(), cpuMs(pid)];
  let peakMB = 0;
  const look = setInterval(() => (peakMB = Math.max(peakMB, pssBytes(pid) / 1e6)), 1_000);
  try {
    await atOnce(access, size.deployments, (connection, i) => {
      const namespace = `scale-${i % NAMESPACES}`;
      const body = JSON.stringify(deploymentOf(namespace, `web-${i}`, size.replicas));
      return connection.call('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, body);
    });
    const createdS = (performance.now() - begin) / 1000;
    for (const end = begin + SETTLE_TIMEOUT_MS; ready.count < size.deployments; await sleep(100)) {
      if (performance.now() > end) throw new Error(`${ready.count} of ${size.deployments} Deployments became ready`);
    }
    const settledS = (performance.now() - begin) / 1000;
    const { get, create } = await probe.stop();
    return { createdS, settledS, cpuS: (cpuMs(pid) - before) / 1000, get, create, peakMB };
  } finally {
    clearInterval(look);
    ready.close();
    await probe.stop();
  }
}

async function untilCalm(server: K8tsServer, client: RestClient, begin: number, replicas: number) {
  const ready = new ReadyDeployments(client, replicas, 'default');
  const since = (): number => Math.round(performance.now() - begin);
  await client.of(deployments).create(deploymentOf('default', 'after', replicas));
  while (ready.count < 1) await sleep(20);
  const newPodsMs = since();
  ready.close();
  for (;;) {
    const [atMs, before] = [since(), cpuMs(server.pid)];
    await sleep(CALM_WINDOW_MS);
    if (cpuMs(server.pid) - before < CALM * CALM_WINDOW_MS) return { newPodsMs, calmMs: atMs };
  }
}

/** Counts the Deployments that have all their pods. */
class ReadyDeployments {
  private readonly ready = new Set<string>();
  private readonly stop = new AbortController();

  constructor(client: RestClient, replicas: number, namespace?: string) {
    setMaxListeners(0, this.stop.signal);
    const put = ({ metadata, status }: Deployment): void => {
      const key = `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
      if (status?.readyReplicas === replicas && status.observedGeneration === metadata.generation) this.ready.add(key);
      else this.ready.delete(key);
    };
    const reflector = new Reflector<Deployment>({
      name: 'deployments',
      client: client.of(deployments),
      scope: { namespace },
      keep: object => object,
      target: { replace: items => items.forEach(put), put, remove: () => undefined },
      clock: systemClock,
      logger: silentLogger,
    });
    void reflector.run(this.stop.signal);
  }

  get count(): number {
    return this.ready.size;
  }

  close(): void {
    this.stop.abort();
  }
}

/** What a client that does little waits: one get and one create after the other, all the time. */
class Probe {
  private readonly gets: number[] = [];
  private readonly creates: number[] = [];
  private isStopped = false;
  private readonly running: Promise<void>;

  constructor(client: RestClient) {
    this.running = this.run(client);
  }

  async stop(): Promise<{ get: Summary; create: Summary }> {
    this.isStopped = true;
    await this.running;
    return { get: summarize(this.gets), create: summarize(this.creates) };
  }

  private async run(client: RestClient): Promise<void> {
    const all = client.of(configMaps);
    const timed = async (samples: number[], work: () => Promise<unknown>): Promise<void> => {
      const begin = performance.now();
      await work();
      samples.push(performance.now() - begin);
    };
    for (let i = 0; !this.isStopped; i++) {
      const ref = { namespace: 'default', name: `probe-${i}` };
      await timed(this.creates, () => all.create({ metadata: ref, data: { at: String(Date.now()) } }));
      await timed(this.gets, () => all.get(ref));
      await sleep(PROBE_EVERY_MS);
    }
  }
}

/** Answered requests so far by verb and resource. */
async function requestCounts(client: RestClient): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const line of String(await client.raw('GET', '/metrics')).split('\n')) {
    const match = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line);
    if (match === null) continue;
    const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(match[1] ?? '')?.[1] ?? '';
    const key = `${label('verb')} ${label('resource')}`;
    counts.set(key, (counts.get(key) ?? 0) + Number(match[2]));
  }
  return counts;
}

function difference(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  const rows = [...after].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
  return Object.fromEntries(rows.filter(([, count]) => count >= 10).sort((a, b) => b[1] - a[1]));
}
