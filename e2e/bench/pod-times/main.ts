/**
 * Times pods as a client sees them, from create to Ready as a watcher is told. Runs inside the node's network:
 * `pod-times/main.ts KUBECONFIG NAMESPACE IMAGE ONE_AT_A_TIME AT_ONCE`; prints JSON.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { loadKubeconfig, transportFor } from '../../../machinery/client/kubeconfig.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { systemClock } from '../../../machinery/process/clock.ts';

const [kubeconfig = '', namespace = '', image = '', sequential = '0', burst = '0'] = process.argv.slice(2);
const TIMEOUT_MS = 120_000;

const transport = transportFor(await loadKubeconfig(kubeconfig), systemClock, 'bench');
const client = new RestClient(transport, { fieldManager: 'bench' }).of(pods);
const stop = new AbortController();
const readyAt = new Map<string, number>();
const goneAt = new Map<string, number>();
let wake = (): void => {};

async function follow(): Promise<void> {
  const { resourceVersion } = await client.list({ namespace });
  void (async () => {
    for await (const event of client.watch({ namespace, resourceVersion, signal: stop.signal })) {
      const { metadata, status } = event.object;
      const name = metadata?.name ?? '';
      const isReady = status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;
      if (event.type === 'DELETED') goneAt.set(name, performance.now());
      else if (isReady && !readyAt.has(name)) readyAt.set(name, performance.now());
      wake();
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
}

async function until(what: string, done: () => boolean): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  while (!done()) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${TIMEOUT_MS} ms`);
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, 1_000);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function pod(name: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', command: ['/bin/sleep', '100000'] }],
    },
  };
}

async function remove(names: readonly string[]): Promise<void> {
  await Promise.all(names.map(name => client.delete({ namespace, name }, { gracePeriodSeconds: 0 })));
  await until('pods gone', () => names.every(name => goneAt.has(name)));
}

await follow();
const one: number[] = [];
for (let i = 0; i < Number(sequential); i++) {
  const name = `one-${i}`;
  const begin = performance.now();
  await client.create(pod(name));
  await until(`${name} Ready`, () => readyAt.has(name));
  one.push((readyAt.get(name) ?? NaN) - begin);
  await remove([name]);
}
const names = Array.from({ length: Number(burst) }, (_, i) => `burst-${i}`);
const begin = performance.now();
await Promise.all(names.map(name => client.create(pod(name))));
await until('all Ready', () => names.every(name => readyAt.has(name)));
const atOnceMs = Math.max(...names.map(name => readyAt.get(name) ?? NaN)) - begin;
await remove(names);
stop.abort();
await transport.close();
console.log(JSON.stringify({ one, atOnceMs }));
