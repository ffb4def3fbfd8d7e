import { describe, expect, test } from '@jest/globals';
import type { ConfigMap } from '../../proto/api/core-v1.ts';
import { expired, serviceUnavailable } from '../meta/status-error.ts';
import { FakeClock } from '../process/clock.ts';
import { silentLogger } from '../process/logger.ts';
import { configMaps } from './resource.ts';
import { RestClient } from './rest-client.ts';
import { SharedInformerFactory } from './shared-informer.ts';
import type { ApiRequest, Transport, WatchEvent } from './transport.ts';

/** A transport whose answers the test gives one by one. */
class ScriptedTransport implements Transport {
  readonly requests: ApiRequest[] = [];
  lists: (() => unknown)[] = [];
  watches: WatchScript[] = [];

  async call(request: ApiRequest): Promise<unknown> {
    this.requests.push(request);
    const next = this.lists.shift();
    if (next === undefined) throw serviceUnavailable('no answer left');
    return next();
  }

  async *watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    this.requests.push(request);
    const script = this.watches.shift() ?? new WatchScript();
    yield* script.events(request.signal);
  }

  async close(): Promise<void> {}
}

class WatchScript {
  private readonly queue: (WatchEvent | Error | 'end')[] = [];
  private wake: () => void = () => undefined;

  push(...events: (WatchEvent | Error | 'end')[]): void {
    this.queue.push(...events);
    this.wake();
  }

  async *events(signal: AbortSignal | undefined): AsyncIterable<WatchEvent> {
    signal?.addEventListener('abort', () => this.wake());
    for (;;) {
      const event = this.queue.shift();
      if (signal?.aborted === true || event === 'end') return;
      if (event instanceof Error) throw event;
      if (event !== undefined) yield event;
      else await new Promise<void>(resolve => (this.wake = resolve));
    }
  }
}

function cm(name: string, version: number, uid = name): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'ns', name, uid, resourceVersion: String(version) },
  };
}

function list(version: number, ...items: ConfigMap[]): () => unknown {
  return () => ({ metadata: { resourceVersion: String(version) }, items });
}

type KeptOf = ConstructorParameters<typeof SharedInformerFactory>[0]['keptOf'];

function setUp(keptOf?: KeptOf, fromNewest = false) {
  const clock = new FakeClock();
  const transport = new ScriptedTransport();
  const factory = new SharedInformerFactory({
    client: new RestClient(transport),
    clock,
    logger: silentLogger,
    random: () => 0,
    keptOf,
    fromNewest,
  });
  const informer = factory.informer(configMaps);
  const log: string[] = [];
  informer.addHandler({
    onAdd: (o, initial) => log.push(`${initial ? 'initial' : 'add'} ${o.metadata.name}`),
    onUpdate: (a, b) =>
      log.push(`update ${b.metadata.name} ${a.metadata.resourceVersion}->${b.metadata.resourceVersion}`),
    onDelete: o => log.push(`delete ${o.metadata.name} ${o.metadata.uid}`),
  });
  const stop = new AbortController();
  return { clock, transport, factory, informer, log, stop, run: () => factory.run(stop.signal) };
}

test('an informer ends with whoever gave it an end, also if another asked for it first', async () => {
  const { clock, transport, factory, informer, stop, run } = setUp();
  const watch = new WatchScript();
  transport.lists.push(list(1));
  transport.watches.push(watch);
  const running = run();
  await informer.synced();
  await new Promise(resolve => setImmediate(resolve));
  const withdrawn = new AbortController();
  expect(factory.informer(configMaps, { until: withdrawn.signal })).toBe(informer);
  withdrawn.abort();
  watch.push('end');
  await clock.advance(600_000);
  expect(transport.requests).toHaveLength(2);
  expect(factory.informer(configMaps)).not.toBe(informer);
  stop.abort();
  await running;
});

describe('SharedInformer', () => {
  test('lists, then watches from there, sharing the very objects', async () => {
    const t = setUp();
    const a = cm('a', 1);
    const watch = new WatchScript();
    t.transport.lists = [list(5, a)];
    t.transport.watches = [watch];
    const run = t.run();
    await t.factory.synced();
    expect(t.informer.lister.get('ns', 'a')).toBe(a);
    watch.push(
      { type: 'ADDED', object: cm('b', 6) },
      { type: 'MODIFIED', object: cm('a', 7) },
      { type: 'DELETED', object: cm('b', 8) },
    );
    await t.clock.advance(0);
    expect(t.log).toEqual(['initial a', 'add b', 'update a 1->7', 'delete b b']);
    expect(t.transport.requests.map(r => r.query?.['resourceVersion'])).toEqual(['0', '5']);
    t.stop.abort();
    await run;
  });

  test('asks for the newest where it takes over from others', async () => {
    const t = setUp(undefined, true);
    t.transport.lists = [list(5)];
    t.transport.watches = [new WatchScript()];
    const run = t.run();
    await t.factory.synced();
    expect(t.transport.requests[0]?.query?.['resourceVersion'] ?? '').toBe('');
    t.stop.abort();
    await run;
  });

  test('resumes a broken watch at the last version, bookmarks included, without a list', async () => {
    const t = setUp();
    const first = new WatchScript();
    t.transport.lists = [list(5)];
    t.transport.watches = [first];
    const run = t.run();
    await t.factory.synced();
    first.push(
      { type: 'ADDED', object: cm('a', 6) },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } },
      serviceUnavailable('gone'),
    );
    await t.clock.advance(500);
    const last = t.transport.requests.at(-1);
    expect([last?.query?.['watch'], last?.query?.['resourceVersion']]).toEqual(['1', '42']);
    expect(t.transport.requests).toHaveLength(3);
    t.stop.abort();
    await run;
  });

  test('of a bookmark nothing is kept: it has a version alone, and the watch goes on', async () => {
    const t = setUp(() => object => {
      const { data, ...rest } = object as ConfigMap;
      if (data === undefined) throw new Error('there is no data');
      return { ...rest, data: { a: data['a'] ?? '' } };
    });
    const watch = new WatchScript();
    t.transport.lists = [list(5)];
    t.transport.watches = [watch];
    const run = t.run();
    await t.factory.synced();
    watch.push(
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } },
      { type: 'ADDED', object: { ...cm('b', 43), data: { a: 'x', b: 'y' } } },
    );
    await t.clock.advance(500);
    expect(t.log).toEqual(['add b']);
    expect(t.informer.lister.get('ns', 'b')?.data).toEqual({ a: 'x' });
    expect(t.transport.requests).toHaveLength(2);
    t.stop.abort();
    await run;
  });

  test('lists again when Expired, and tells handlers the difference alone', async () => {
    const t = setUp();
    const first = new WatchScript();
    t.transport.lists = [
      list(5, cm('a', 1), cm('b', 2), cm('c', 3)),
      list(50, cm('a', 1), cm('b', 40), cm('c', 41, 'other')),
    ];
    t.transport.watches = [first];
    const run = t.run();
    await t.factory.synced();
    t.log.length = 0;
    first.push(expired('too old resource version'));
    await t.clock.advance(500);
    expect(t.log).toEqual(['update b 2->40', 'delete c c', 'add c']);
    expect(t.transport.requests[2]?.query?.['resourceVersion']).toBeUndefined();
    t.stop.abort();
    await run;
  });

  test('backs off while the server is away, and syncs when it is back', async () => {
    const t = setUp();
    const run = t.run();
    await t.clock.advance(700);
    expect(t.transport.requests).toHaveLength(3); // at 0, 200 and 600 ms
    t.transport.lists = [list(9, cm('a', 1))];
    await t.clock.advance(1000);
    expect(t.informer.hasSynced()).toBe(true);
    t.stop.abort();
    await run;
    expect(t.clock.pending).toBe(0);
  });

  test('does no work at rest', async () => {
    const t = setUp();
    t.transport.lists = [list(5)];
    const run = t.run();
    await t.factory.synced();
    await t.clock.advance(86_400_000);
    expect(t.transport.requests).toHaveLength(2);
    t.stop.abort();
    await run;
  });

  test('keeps indexes, also for a handler and an index that come late', async () => {
    const t = setUp();
    const watch = new WatchScript();
    t.transport.lists = [list(5, cm('a', 1, 'x'), cm('b', 2, 'x'))];
    t.transport.watches = [watch];
    const run = t.run();
    await t.factory.synced();
    t.informer.addIndex('uid', o => [o.metadata.uid ?? '']);
    expect(t.informer.lister.byIndex('uid', 'x')).toHaveLength(2);
    watch.push({ type: 'DELETED', object: cm('a', 6, 'x') });
    await t.clock.advance(0);
    expect(t.informer.lister.byIndex('uid', 'x').map(o => o.metadata.name)).toEqual(['b']);
    const late: string[] = [];
    t.informer.addHandler({ onAdd: o => late.push(o.metadata.name ?? '') });
    expect(late).toEqual(['b']);
    t.stop.abort();
    await run;
  });

  test('keeps who owns what alone, listed in pages, when no more is asked for', async () => {
    const t = setUp();
    const whole = (name: string, version: number): ConfigMap => {
      const map = cm(name, version);
      return {
        ...map,
        metadata: { ...map.metadata, labels: { x: 'y' }, managedFields: [{ manager: 'x' }] },
        data: { large: 'x' },
      };
    };
    const watch = new WatchScript();
    t.transport.lists = [
      () => ({ metadata: { resourceVersion: '5', continue: 'more' }, items: [whole('a', 1)] }),
      list(5, whole('b', 2)),
    ];
    t.transport.watches = [watch];
    const metadata = t.factory.informer(configMaps, { ownershipOnly: true });
    const only = new SharedInformerFactory({
      client: new RestClient(t.transport),
      clock: t.clock,
      logger: silentLogger,
      random: () => 0,
    });
    const informer = only.informer(configMaps, { ownershipOnly: true });
    expect(metadata).not.toBe(t.informer);
    const run = only.run(t.stop.signal);
    await only.synced();
    watch.push({ type: 'ADDED', object: whole('c', 6) });
    await t.clock.advance(0);
    expect(informer.lister.list()).toEqual([cm('a', 1), cm('b', 2), cm('c', 6)]);
    expect(t.transport.requests.map(r => r.query?.['continue'])).toEqual([undefined, 'more', undefined]);
    expect(t.transport.requests.at(-1)?.query?.['resourceVersion']).toBe('5');
    t.stop.abort();
    await run;
  });

  test('is shared by those who ask for the same scope', () => {
    const { factory, informer } = setUp();
    expect(factory.informer(configMaps)).toBe(informer);
    expect(factory.informer(configMaps, { namespace: 'x' })).not.toBe(informer);
  });
});
