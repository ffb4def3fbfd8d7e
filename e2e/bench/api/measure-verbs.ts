/** Requests a second for each verb, with watchers that follow what is created. */
import { RawConnection } from './raw-connection.ts';
import type { ServerUnderTest } from './access.ts';
import { CONFIG_MAPS, configMap, onEach } from './config-maps.ts';
import { openWatchers } from './watchers.ts';

const CONNECTIONS = 16;
const OBJECTS = 3_000;
const WATCHERS = 20;
const PAGE = 500;

/** Requests a second; lags in milliseconds from before the POST to the watcher. */
export interface VerbFigures {
  readonly create: number;
  readonly get: number;
  readonly list: number;
  readonly page: number;
  readonly patch: number;
  readonly delete: number;
  readonly watchLagP50Ms: number;
  readonly watchLagP99Ms: number;
}

/** @param round told apart by the names of its objects */
export async function measureVerbs({ access }: ServerUnderTest, round: string): Promise<VerbFigures> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(access)));
  const path = (i: number): string => `${CONFIG_MAPS}/bench-${round}-${i % OBJECTS}`;
  const perSecond = async (
    count: number,
    work: (connection: RawConnection, i: number) => Promise<unknown>,
  ): Promise<number> => {
    const begin = performance.now();
    await onEach(connections, count, work);
    return Math.round((count / (performance.now() - begin)) * 1000);
  };
  try {
    // '0': from now on, after what is there already, which is nothing.
    const watchers = await openWatchers({
      access,
      resourceVersion: '0',
      watchers: WATCHERS,
      perConnection: 1,
      events: OBJECTS,
    });
    const create = await perSecond(OBJECTS, (c, i) => c.call('POST', CONFIG_MAPS, configMap(`bench-${round}-${i}`)));
    const { delivered, of, lagMs } = await watchers();
    if (delivered !== of) throw new Error(`watchers saw ${delivered} of ${of} events`);
    const get = await perSecond(OBJECTS * 2, (c, i) => c.call('GET', path(i)));
    const list = await perSecond(60, c => c.call('GET', `${CONFIG_MAPS}?resourceVersion=0`));
    const page = await perSecond(120, c => c.call('GET', `${CONFIG_MAPS}?limit=${PAGE}`));
    const merge = 'application/merge-patch+json';
    const patch = await perSecond(OBJECTS, (c, i) => c.call('PATCH', path(i), '{"data":{"k":"v"}}', merge));
    const deleted = await perSecond(OBJECTS, (c, i) => c.call('DELETE', path(i)));
    return { create, get, list, page, patch, delete: deleted, watchLagP50Ms: lagMs.p50, watchLagP99Ms: lagMs.p99 };
  } finally {
    for (const connection of connections) connection.close();
  }
}
