import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Transport } from '../../../machinery/client/transport.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

let admin: Transport;
let running: RunningServer;

beforeAll(async () => {
  running = await startServer();
  admin = running.admin;
});
afterAll(() => running.stop());

const scrape = async (): Promise<string> => (await admin.call({ method: 'GET', path: '/metrics' })) as string;

test('every line is one that Prometheus reads, and no series comes twice', async () => {
  await admin.call({ method: 'GET', path: '/api/v1/pods' });
  const samples = (await scrape())
    .trim()
    .split('\n')
    .filter(line => !line.startsWith('#'));
  for (const line of samples)
    expect(line).toMatch(/^[a-z_][a-z0-9_]*(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? ([0-9.e+-]+|\+Inf)$/);
  const series = samples.map(line => line.slice(0, line.lastIndexOf(' ')));
  expect(new Set(series).size).toBe(series.length);
});

test('requests are counted under their resource, whatever clients make up under none', async () => {
  const failed = (path: string): Promise<unknown> => admin.call({ method: 'GET', path }).catch(() => {});
  await failed('/apis/made.up/v1/things/x/y');
  const before = (await scrape()).split('\n').length;
  for (let i = 0; i < 20; i++) await failed(`/apis/made.up${i}/v${i}/things${i}/x/y${i}`);
  const text = await scrape();
  expect(text).not.toContain('made.up');
  expect(text.split('\n').length).toBe(before);
  expect(text).toMatch(
    /^apiserver_request_total\{verb="LIST",dry_run="",group="",version="v1",resource="pods",subresource="",scope="cluster",component="apiserver",code="200"\} \d+$/m,
  );
  for (const name of [
    'apiserver_request_duration_seconds_count',
    'apiserver_current_inflight_requests',
    'apiserver_storage_objects',
    'apiserver_watch_cache_events_received_total',
    'etcd_request_duration_seconds_count',
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
  ])
    expect(text).toMatch(new RegExp(`^${name}(\\{.*\\})? `, 'm'));
});

test('a watch is long-running as long as it lasts', async () => {
  const path = '/api/v1/namespaces/default/secrets';
  const running = /^apiserver_longrunning_requests\{verb="WATCH",.*resource="secrets".*\} (\d+)$/m;
  const watch = admin.watch({
    method: 'GET',
    path,
    query: { watch: '1', sendInitialEvents: 'false', resourceVersionMatch: 'NotOlderThan' },
  });
  const iterator = watch[Symbol.asyncIterator]();
  const first = iterator.next();
  const later = { method: 'POST', path, body: { metadata: { name: 'seen' } } } as const;
  await admin.call(later);
  await first;
  expect(running.exec(await scrape())?.[1]).toBe('1');
  await iterator.return?.();
  expect(running.exec(await scrape())?.[1]).toBe('0');
});
