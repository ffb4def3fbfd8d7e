/**
 * Makes and ends pods of all kinds through the API, as fast as it was told, and looks whether they become what they should.
 *
 *   tsx e2e/soak/churn/main.ts KUBECONFIG NAMESPACE PODS
 *
 * Commands come as lines on standard input, each is answered by one line of JSON:
 * `go` keeps some PODS pods alive and changes one of them about every second; `settle` stops that and waits until each is as its spec asks
 * for; `clear` deletes all of them and waits until they are gone.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKubeconfig } from '../../../machinery/client/kubeconfig.ts';
import { ApiClient, type Answer } from '../../machine/api-client.ts';
import { kindOf, POD_KINDS, SHARED_OBJECTS, type PodSeen } from './pod-kinds.ts';

/** The answer to a command. */
export interface ChurnReport {
  readonly created: number;
  readonly deleted: number;
  /** Pods that are there. */
  readonly pods: number;
  /** What is not as it should be; empty: all is well. */
  readonly problems: readonly string[];
}

const PACE_MS = 700;
const SETTLE_MS = 180_000;
const LOOK_MS = 1_000;

const [kubeconfig = '', namespace = '', wanted = '25'] = process.argv.slice(2);
const client = new ApiClient(await loadKubeconfig(kubeconfig));
const pods = `/api/v1/namespaces/${namespace}/pods`;
let created = 0;
let deleted = 0;
let churning: AbortController | undefined;
let stopped: Promise<void> = Promise.resolve();

/** Until it is answered: the server is killed now and then. */
async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  for (;;) {
    try {
      const answer = await client.request(
        method,
        path,
        body,
        method === 'PATCH' ? 'application/merge-patch+json' : undefined,
      );
      if (answer.status < 500 && answer.status !== 429) return answer;
    } catch {
      // Asked again.
    }
    await sleep(300);
  }
}

async function list(): Promise<readonly PodSeen[]> {
  const { body } = await call('GET', pods);
  return (body as { items: readonly PodSeen[] }).items;
}

function pick<T>(items: readonly T[]): T | undefined {
  return items[Math.floor(Math.random() * items.length)];
}

async function changeOne(alive: readonly PodSeen[]): Promise<void> {
  const seen = pick(alive);
  if (alive.length < Number(wanted) || seen === undefined) {
    const kind = pick(POD_KINDS) as (typeof POD_KINDS)[number];
    const name = `${kind.name}-${Date.now().toString(36)}${Math.floor(Math.random() * 1e4).toString(36)}`;
    const { status, body } = await call('POST', pods, kind.make(name));
    // 409: a create that was not answered had happened.
    if (status !== 201 && status !== 409) throw new Error(`POST ${name}: ${status} ${JSON.stringify(body)}`);
    created++;
    return;
  }
  const path = `${pods}/${seen.metadata.name}`;
  if (Math.random() < 0.3)
    return void (await call('PATCH', path, { metadata: { annotations: { touched: `${Date.now()}` } } }));
  await call('DELETE', path, Math.random() < 0.2 ? { gracePeriodSeconds: 0 } : {});
  deleted++;
}

async function churn(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const alive = (await list()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    await changeOne(alive);
    await sleep(alive.length < Number(wanted) ? 50 : PACE_MS * 2 * Math.random());
  }
}

async function pause(): Promise<void> {
  churning?.abort();
  churning = undefined;
  await stopped;
}

function problemsOf(seen: readonly PodSeen[]): string[] {
  return seen.flatMap(one => {
    const problem = one.metadata.deletionTimestamp === undefined ? kindOf(one)?.problem(one) : 'is still being deleted';
    return problem === undefined ? [] : [`${one.metadata.name}: ${problem}`];
  });
}

async function until(problems: (seen: readonly PodSeen[]) => string[]): Promise<ChurnReport> {
  const endMs = performance.now() + SETTLE_MS;
  for (;;) {
    const seen = await list();
    const left = problems(seen);
    if (left.length === 0 || performance.now() > endMs) return { created, deleted, pods: seen.length, problems: left };
    await sleep(LOOK_MS);
  }
}

const COMMANDS: Readonly<Record<string, () => Promise<ChurnReport>>> = {
  go: async () => {
    await pause();
    const controller = (churning = new AbortController());
    stopped = churn(controller.signal);
    return { created, deleted, pods: 0, problems: [] };
  },
  settle: async () => {
    await pause();
    return until(problemsOf);
  },
  clear: async () => {
    await pause();
    await call('DELETE', pods);
    return until(seen => seen.map(({ metadata }) => `${metadata.name}: is still there`));
  },
};

for (const object of SHARED_OBJECTS) {
  const plural = `${String(object['kind']).toLowerCase()}s`;
  await call('POST', `/api/v1/namespaces/${namespace}/${plural}`, object);
}
for await (const line of createInterface({ input: process.stdin })) {
  const command = COMMANDS[line.trim()];
  if (command === undefined) throw new Error(`no such command: ${line}`);
  console.log(JSON.stringify(await command()));
}
await pause();
client.close();
