/** Pods created by many clients at once on made-up nodes: from the POST to the watch event that says that it is bound. */
import type { ServerUnderTest } from '../api/access.ts';
import { RawConnection } from '../api/raw-connection.ts';
import { summarize, type Summary } from '../figures.ts';
import { connectTo } from './connect.ts';
import { atOnce, benchPod, makeNamespace } from './objects.ts';
import { lastOf, PodsSeen } from './pods-seen.ts';

const TIMEOUT_MS = 240_000;

export interface CreateToBoundFigures {
  readonly podsPerSecond: number;
  /** Milliseconds of each pod. */
  readonly latency: Summary;
}

/** @param round names the namespace; the pods are gone when it resolves */
export async function measureCreateToBound(
  { access }: ServerUnderTest,
  round: string,
  pods: number,
): Promise<CreateToBoundFigures> {
  const namespace = `bound-${round}`;
  await makeNamespace(access, namespace);
  const { client, close } = connectTo(access);
  try {
    const seen = await PodsSeen.follow(client, { namespace });
    const posted = new Map<string, number>();
    const begin = performance.now();
    await atOnce(access, pods, (connection, i) => {
      posted.set(`pod-${i}`, performance.now());
      return connection.call('POST', `/api/v1/namespaces/${namespace}/pods`, benchPod(`pod-${i}`));
    });
    await seen.until(`${pods} pods bound`, () => seen.boundMs.size >= pods, TIMEOUT_MS);
    seen.close();
    const seconds = (lastOf(seen.boundMs.values()) - begin) / 1000;
    const latency = summarize([...seen.boundMs].map(([name, ms]) => ms - (posted.get(name) ?? NaN)));
    const remover = await RawConnection.open(access);
    await remover.call('DELETE', `/api/v1/namespaces/${namespace}/pods?gracePeriodSeconds=0`);
    remover.close();
    return { podsPerSecond: pods / seconds, latency };
  } finally {
    await close();
  }
}
