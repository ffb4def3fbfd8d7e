/** The objects of the bench: ConfigMaps of about 1 KiB that say when they were made. */
import type { RawConnection } from './raw-connection.ts';

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

const PADDING = 'x'.repeat(900);
/** How the watching process finds the frames of what was created without parsing them: the beginning of a frame is never cut in two by a chunk. */
export const CREATED = /"type":"ADDED",.{0,150}?"name":"bench-/g;
/** The time in it, which may be cut: such a frame is not timed. */
export const MADE_AT = /"madeAt":"([0-9.]+)"/g;

/** Milliseconds that all processes of one machine agree on. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** @param name begins with `bench-` */
export function configMap(name: string): string {
  const data = { padding: PADDING, madeAt: String(monotonicMs()) };
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
}

/** Does `work` for 0 to count - 1, one at a time on each connection. @returns milliseconds of each */
export async function onEach(
  connections: readonly RawConnection[],
  count: number,
  work: (connection: RawConnection, i: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  await Promise.all(
    connections.map(async connection => {
      while (next < count) {
        const i = next++;
        const begin = performance.now();
        await work(connection, i);
        times.push(performance.now() - begin);
      }
    }),
  );
  return times;
}
