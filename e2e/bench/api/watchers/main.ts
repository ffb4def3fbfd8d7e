/**
 * Many watches in a process of their own: told by its parent what to watch, it says when all are open and, in the end, how many events came and
 * how late. Reads bytes alone; one event in sixteen is timed.
 */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { summarize } from '../../figures.ts';
import type { Access } from '../access.ts';
import { CONFIG_MAPS, CREATED, MADE_AT, monotonicMs } from '../config-maps.ts';
import type { WatchersResult, WatchersTask } from '../watchers.ts';

const TIMED = 16;
const AT_ONCE = 50;
/** Go's client lets a connection take a gigabyte; 64 KiB, Node's own, would be less than one event for a hundred watches. */
const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024;
/** Without an event for so long nothing more will come. */
const QUIET_MS = 10_000;

const CHUNK = /\r\n[0-9a-f]+\r\n/g;

let delivered = 0;
let timed = 0;
const lagsMs: number[] = [];

function counter(): (data: Buffer) => void {
  let tail = '';
  return data => {
    const text = tail + data.toString('latin1');
    const end = text.lastIndexOf('}\n') + 2;
    if (end < 2) {
      tail = text;
      return;
    }
    tail = text.slice(end);
    const now = monotonicMs();
    // HTTP/1.1 may begin a chunk in the middle of an event.
    const lines = text.slice(0, end).replaceAll(CHUNK, '');
    delivered += lines.match(CREATED)?.length ?? 0;
    for (const [, madeAt] of lines.matchAll(MADE_AT)) if (timed++ % TIMED === 0) lagsMs.push(now - Number(madeAt));
  };
}

/** As client-go does it: the watches of one client share a connection. */
async function watchOverHttp2({ host, port, tls }: Access, path: string, count: number): Promise<void> {
  const session = connectHttp2(`https://${host}:${port}`, tls);
  await once(session, 'connect');
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path, accept: 'application/json' });
      stream.once('error', reject);
      stream.once('response', headers =>
        headers[':status'] === 200 ? resolve() : reject(new Error(`a watch was answered with ${headers[':status']}`)),
      );
      stream.on('data', counter());
    });
  await Promise.all(Array.from({ length: count }, open));
}

/** A connection for each. */
function watchOverHttp1({ host, port, tls }: Access, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port, ...tls, ALPNProtocols: ['http/1.1'] }, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\naccept: application/json\r\n\r\n`),
    );
    socket.once('error', reject);
    socket.once('data', (head: Buffer) =>
      head.toString('latin1', 9, 12) === '200' ? resolve() : reject(new Error(head.toString('latin1', 0, 100))),
    );
    socket.on('data', counter());
  });
}

async function openAll({ access, resourceVersion, watchers, perConnection }: WatchersTask): Promise<void> {
  const path = `${CONFIG_MAPS}?watch=1&resourceVersion=${resourceVersion}`;
  const step = perConnection === 1 ? AT_ONCE : perConnection;
  for (let open = 0; open < watchers; open += step) {
    const count = Math.min(step, watchers - open);
    if (perConnection > 1) await watchOverHttp2(access, path, count);
    else await Promise.all(Array.from({ length: count }, () => watchOverHttp1(access, path)));
  }
}

async function untilAllCame(events: number): Promise<void> {
  let last = delivered;
  let changedAt = performance.now();
  while (delivered < events && performance.now() - changedAt < QUIET_MS) {
    await sleep(50);
    if (delivered === last && delivered > 0) continue;
    last = delivered;
    changedAt = performance.now();
  }
}

process.once('message', (task: WatchersTask) => {
  void (async () => {
    await openAll(task);
    process.send?.('open');
    await untilAllCame(task.watchers * task.events);
    const result: WatchersResult = { delivered, of: task.watchers * task.events, lagMs: summarize(lagsMs) };
    process.send?.(result, () => process.exit(0));
  })();
});
