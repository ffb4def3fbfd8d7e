/** A steady trickle of writes seen by very many watchers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerUnderTest } from './access.ts';
import { CONFIG_MAPS, configMap } from './config-maps.ts';
import { RawConnection } from './raw-connection.ts';
import { openWatchers, type WatchersResult } from './watchers.ts';

export interface FanOut {
  readonly watchers: number;
  /** 1: HTTP/1.1, each watch its own connection; more: HTTP/2. */
  readonly perConnection: number;
  readonly writesPerSecond: number;
  readonly seconds: number;
}

export async function measureFanOut({ access }: ServerUnderTest, fanOut: FanOut): Promise<WatchersResult> {
  const { watchers, perConnection, writesPerSecond, seconds } = fanOut;
  const events = writesPerSecond * seconds;
  const name = `bench-fan-${watchers}-${perConnection}`;
  const result = await openWatchers({ access, resourceVersion: '0', watchers, perConnection, events });
  // Writes do not wait for each other.
  const connections = await Promise.all(Array.from({ length: 8 }, () => RawConnection.open(access)));
  const begin = performance.now();
  const running: Promise<unknown>[] = [];
  const lanes = connections.map(() => Promise.resolve<unknown>(undefined));
  for (let i = 0; i < events; i++) {
    await sleep(Math.max(0, begin + (i * 1000) / writesPerSecond - performance.now()));
    const lane = i % lanes.length;
    lanes[lane] = (lanes[lane] ?? Promise.resolve()).then(() =>
      connections[lane]?.call('POST', CONFIG_MAPS, configMap(`${name}-${i}`)),
    );
  }
  running.push(...lanes);
  await Promise.all(running);
  const outcome = await result();
  for (const [i, connection] of connections.entries())
    for (let at = i; at < events; at += connections.length)
      await connection.call('DELETE', `${CONFIG_MAPS}/${name}-${at}`);
  for (const connection of connections) connection.close();
  return outcome;
}
