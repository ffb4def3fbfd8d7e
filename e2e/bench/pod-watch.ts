/** Follows the pods of a namespace by one watch, and keeps when each became what, as a client sees it. */
import type { Pod } from '../../proto/api/core-v1.ts';
import { loadKubeconfig, transportFor } from '../../machinery/client/kubeconfig.ts';
import { pods } from '../../machinery/client/resource.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { systemClock } from '../../machinery/process/clock.ts';

const TIMEOUT_MS = 180_000;

/** What became of a pod; times as `performance.now()` tells them. */
export interface PodTimes {
  /** First seen Ready. */
  readyMs?: number;
  goneMs?: number;
  /** Each change of the Ready condition. */
  readonly changes: { readonly ready: boolean; readonly atMs: number }[];
}

export async function watchPods(kubeconfig: string, namespace: string) {
  const transport = transportFor(await loadKubeconfig(kubeconfig), systemClock, 'bench');
  const client = new RestClient(transport, { fieldManager: 'bench' }).of(pods);
  const stop = new AbortController();
  const seen = new Map<string, PodTimes>();
  let wake = (): void => {};
  const of = (name: string): PodTimes => {
    const known = seen.get(name) ?? { changes: [] };
    seen.set(name, known);
    return known;
  };
  const { resourceVersion } = await client.list({ namespace });
  const follow = async (): Promise<void> => {
    for await (const event of client.watch({ namespace, resourceVersion, signal: stop.signal })) {
      const { metadata, status } = event.object;
      const times = of(metadata?.name ?? '');
      const ready = status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;
      const atMs = performance.now();
      if (event.type === 'DELETED') times.goneMs = atMs;
      else if (times.changes.at(-1)?.ready !== ready) times.changes.push({ ready, atMs });
      if (ready) times.readyMs ??= atMs;
      wake();
    }
  };
  void follow().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });

  const until = async (what: string, done: () => boolean): Promise<void> => {
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
  };
  return {
    client,
    of,
    until,
    create: (pod: Pod): Promise<Pod> => client.create(pod),
    /** Deletes, waits until they are gone. @returns milliseconds from the request to the end of each */
    remove: async (names: readonly string[], gracePeriodSeconds?: number): Promise<number[]> => {
      const began = names.map(() => performance.now());
      const options = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
      await Promise.all(names.map(name => client.delete({ namespace, name }, options)));
      await until('pods gone', () => names.every(name => of(name).goneMs !== undefined));
      return names.map((name, i) => (of(name).goneMs ?? NaN) - (began[i] ?? NaN));
    },
    close: async (): Promise<void> => {
      stop.abort();
      await transport.close();
    },
  };
}

/** A pod that sleeps, and ends at once when told to. */
export function sleeper(
  namespace: string,
  name: string,
  image: string,
  container: Partial<Pod['spec']['containers'][0]> = {},
): Pod {
  const script = 'trap "exit 0" TERM; sleep 100000 & wait';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      containers: [
        { name: 'main', image, imagePullPolicy: 'IfNotPresent', command: ['/bin/sh', '-c', script], ...container },
      ],
    },
  };
}
