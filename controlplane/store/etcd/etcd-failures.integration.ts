/** Bad days of a real etcd: members that stop, stand still, lose the leader or fill up, and certificates that are wrong or replaced. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { createAuthority, DAY_MS, issueKeyPair, type KeyPair } from '../../../machinery/pki/certificate.ts';
import { CompactedError, StoreUnavailableError, ValueTooLargeError, type Store } from '../store.ts';
import { BreakableProxy } from '../testdata/breakable-proxy.ts';
import { etcdctl } from '../testdata/etcdctl.ts';
import { startEtcd, type EtcdFiles, type EtcdProcess } from '../testdata/etcd-process.ts';
import { openEtcdStore, type EtcdStoreOptions } from './open-etcd-store.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function cluster(options: Parameters<typeof startEtcd>[0] = {}): Promise<EtcdProcess[]> {
  const members = await startEtcd(options);
  cleanUps.push(() => Promise.all(members.map(m => m.remove())));
  return members;
}

async function open(options: EtcdStoreOptions): Promise<Store> {
  const store = await openEtcdStore(options);
  cleanUps.push(() => store.close());
  return store;
}

const urls = (members: readonly EtcdProcess[]): string[] => members.map(m => m.url);

/** Revisions as a watch on everything delivers them. */
function follow(store: Store, after: number): { seen: number[]; reached(revision: number): Promise<void> } {
  const stop = new AbortController();
  const seen: number[] = [];
  let revision = 0;
  const running = (async () => {
    for await (const batch of store.watch('', after, stop.signal)) {
      seen.push(...batch.events.map(e => e.revision));
      revision = batch.revision;
    }
  })();
  cleanUps.push(async () => {
    stop.abort();
    await running;
  });
  return {
    seen,
    async reached(wanted) {
      const untilMs = performance.now() + 20_000;
      while (revision < wanted) {
        if (performance.now() > untilMs) throw new Error(`the watch stands at ${revision}, not at ${wanted}`);
        await sleep(10);
      }
    },
  };
}

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`waited too long for ${holds.toString()}`);
    await sleep(20);
  }
}

async function untilItAnswers(store: Store): Promise<number> {
  const untilMs = performance.now() + 30_000;
  for (;;) {
    try {
      return await store.currentRevision();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(20);
    }
  }
}

/** Creates keys without end; every outcome is one of: acknowledged, refused as unavailable, unknown. */
async function writeUntil(store: Store, signal: AbortSignal, acknowledged: Map<string, number>): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const key = `/w/${i}`;
    try {
      acknowledged.set(key, await store.create(key, Buffer.from('x')));
    } catch (error) {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      await sleep(20);
    }
  }
}

async function expectWholeHistory(store: Store, watch: ReturnType<typeof follow>, known: Map<string, number>) {
  const revision = await untilItAnswers(store);
  await watch.reached(revision);
  const { items } = await store.list('/w/');
  const stored = new Map(items.map(i => [i.key, i.revision]));
  for (const [key, written] of known) expect(stored.get(key)).toBe(written);
  // Everything that is there was told, once and in order; what got no answer too.
  expect(watch.seen).toEqual([...stored.values()].sort((a, b) => a - b));
}

test('a member that is killed, and one that stands still, are replaced by the others: nothing is lost, told twice or left out', async () => {
  const members = await cluster({ members: 3 });
  const store = await open({ endpoints: urls(members), markAfterMs: 3_600_000 });
  const watch = follow(store, await store.currentRevision());
  const known = new Map<string, number>();
  const stop = new AbortController();
  const writing = writeUntil(store, stop.signal, known);
  const [first, ...rest] = members;
  for (const member of rest) {
    await sleep(300);
    await member.kill();
    const before = known.size;
    await untilItAnswers(store);
    while (known.size < before + 5) await sleep(20);
    await member.start();
    await untilItAnswers(store);
    // The next one may only go when this one has caught up.
    await etcdctl(member.url, ['endpoint', 'health']);
  }
  await first?.freeze();
  try {
    const before = known.size;
    while (known.size < before + 5) await sleep(20);
  } finally {
    first?.thaw();
  }
  stop.abort();
  await writing;
  await expectWholeHistory(store, watch, known);
  const alive = members.find(m => m !== first) as EtcdProcess;
  expect(await etcdctl(alive.url, ['endpoint', 'health', '--cluster'])).not.toContain('unhealthy');
}, 90_000);

test('an etcd that is gone or stands still makes requests fail fast and with its name; all goes on by itself when it is back', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url], markAfterMs: 3_600_000 });
  const watch = follow(store, 1);
  const known = new Map([['/w/a', await store.create('/w/a', Buffer.from('x'))]]);
  for (const how of ['killed', 'stopped'] as const) {
    if (how === 'killed') await etcd.kill();
    else await etcd.freeze();
    // The first to notice may have to wait for an answer; after that nobody does.
    const beganMs = performance.now();
    await store.get('/w/a').catch(() => {});
    const noticedMs = performance.now();
    const failures = await Promise.all(
      Array.from({ length: 200 }, (_, i) => [
        store.currentRevision().catch((e: unknown) => e),
        store.create(`/w/${how}${i}`, Buffer.from('x')).catch((e: unknown) => e),
      ]).flat(),
    );
    if (how === 'stopped') expect(performance.now() - noticedMs).toBeLessThan(noticedMs - beganMs);
    for (const failure of failures) {
      expect(failure).toMatchObject({ reason: 'unreachable', message: expect.stringContaining(etcd.url) });
    }
    if (how === 'killed') await etcd.start();
    else etcd.thaw();
    await untilItAnswers(store);
    known.set(`/w/after-${how}`, await store.create(`/w/after-${how}`, Buffer.from('x')));
  }
  await expectWholeHistory(store, watch, known);
}, 60_000);

test('a write whose answer gets lost is called unknown and is not done again', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const proxy = await BreakableProxy.to(etcd.url);
  cleanUps.push(() => proxy.close());
  const store = await open({ endpoints: [proxy.url] });
  const direct = await open({ endpoints: [etcd.url] });
  let unknown = 0;
  for (let i = 0; unknown === 0 && i < 50; i++) {
    const writes = Array.from({ length: 20 }, (_, n) => store.create(`/w/${i}-${n}`, Buffer.from('x')));
    setImmediate(() => proxy.break());
    const outcomes = await Promise.allSettled(writes);
    await untilItAnswers(store);
    for (const [n, outcome] of outcomes.entries()) {
      const there = await direct.get(`/w/${i}-${n}`);
      if (outcome.status === 'fulfilled') expect(there?.revision).toBe(outcome.value);
      else if (outcome.reason.reason === 'unknownOutcome') unknown++;
      else {
        expect(outcome.reason).toMatchObject({ reason: 'unreachable' });
        expect(there).toBeUndefined();
      }
    }
  }
  expect(unknown).toBeGreaterThan(0);
}, 60_000);

test('a full etcd refuses writes, says how to help, and takes them again once it was helped', async () => {
  const [etcd] = (await cluster({ args: ['--quota-backend-bytes', String(2 * 1024 * 1024)] })) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url] });
  let failure: unknown;
  for (let i = 0; failure === undefined && i < 200; i++) {
    failure = await store.create(`/w/${i}`, Buffer.alloc(100_000)).then(
      () => undefined,
      (e: unknown) => e,
    );
  }
  expect(failure).toMatchObject({
    reason: 'full',
    message: expect.stringMatching(/space exceeded.*defragment.*disarm/),
  });
  expect((await store.list('/w/', { limit: 1 })).items).toHaveLength(1);
  await expect(store.checkWritable?.()).rejects.toMatchObject({ reason: 'full' });
  for (const { key } of (await store.list('/w/')).items) await store.delete(key);
  await store.compact(await store.currentRevision());
  await etcdctl(etcd.url, ['defrag']);
  await etcdctl(etcd.url, ['alarm', 'disarm']);
  await store.checkWritable?.();
  await store.create('/w/again', Buffer.from('x'));
}, 60_000);

test('a value beyond what etcd takes is refused as too large', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url] });
  await expect(store.create('/w/a', Buffer.alloc(1_700_000))).rejects.toThrow(ValueTooLargeError);
  await expect(store.create('/w/a', Buffer.alloc(2_900_000))).rejects.toThrow(ValueTooLargeError);
  await store.create('/w/a', Buffer.alloc(1_000_000));
});

test('a user without rights is told so', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url], startMs: 0 });
  await etcdctl(etcd.url, ['user', 'add', 'root:x']);
  await etcdctl(etcd.url, ['auth', 'enable']);
  const wanted = { reason: 'denied', message: expect.stringMatching(/user name is empty.*--etcd-certfile/) };
  await expect(store.get('/a')).rejects.toMatchObject(wanted);
  await expect(store.create('/a', Buffer.from('x'))).rejects.toMatchObject(wanted);
  await expect(openEtcdStore({ endpoints: [etcd.url] })).rejects.toMatchObject(wanted);
});

test('an etcd that is not there is waited for a while, and named with the reason', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  await etcd.kill();
  await expect(openEtcdStore({ endpoints: [etcd.url], startMs: 300 })).rejects.toMatchObject({
    reason: 'unreachable',
    message: expect.stringMatching(new RegExp(`${etcd.url}.*ECONNREFUSED.*--etcd-servers.*tried for`)),
  });
  const opening = openEtcdStore({ endpoints: [etcd.url] });
  await etcd.start();
  await (await opening).close();
}, 30_000);

test('members of two clusters are not taken for one, nor another API server for ours, nor a restored etcd for the old one', async () => {
  const [[one], [other]] = (await Promise.all([cluster(), cluster()])) as [[EtcdProcess], [EtcdProcess]];
  await expect(openEtcdStore({ endpoints: [one.url, other.url] })).rejects.toMatchObject({
    reason: 'foreign',
    message: expect.stringContaining('belongs to cluster'),
  });
  const first = await open({ endpoints: [one.url], prefix: '/registry' });
  await first.create('/registry/namespaces/default', Buffer.from('k8s\0\n\x0f'));
  await expect(openEtcdStore({ endpoints: [one.url], prefix: '/registry' })).rejects.toMatchObject({
    reason: 'foreign',
    message: expect.stringContaining('--etcd-prefix'),
  });
  const proxy = await BreakableProxy.to(one.url);
  cleanUps.push(() => proxy.close());
  const store = await open({ endpoints: [proxy.url], prefix: '/k8ts' });
  await store.create('/k8ts/a', Buffer.from('x'));
  proxy.leadTo(other.url);
  proxy.break();
  let reason: unknown;
  for (let i = 0; reason !== 'foreign' && i < 500; i++) {
    reason = await store.get('/k8ts/a').then(
      kv => kv?.key,
      (e: StoreUnavailableError) => e.reason,
    );
    // Nothing is ever read from the other one.
    expect(['unreachable', 'foreign']).toContain(reason);
    await sleep(10);
  }
  expect(reason).toBe('foreign');
  proxy.leadTo(one.url);
  proxy.break();
  await untilItAnswers(store);
  expect((await store.get('/k8ts/a'))?.value.toString()).toBe('x');
}, 30_000);

test('keys of others are neither seen nor touched; progress is seen all the same', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const ours = await open({ endpoints: [etcd.url], prefix: '/registry' });
  const others = await open({ endpoints: [etcd.url], prefix: '/registry2' });
  const watch = follow(ours, await ours.currentRevision());
  for (let round = 0; round < 5; round++) {
    const mine = await ours.create(`/registry/a/${round}`, Buffer.from('x'));
    await others.create(`/registry2/a/${round}`, Buffer.from('y'));
    const foreign = await others.update(`/registry2/a/${round}`, Buffer.from('z'), mine + 1).catch(() => 0);
    const now = await ours.currentRevision();
    expect(now).toBeGreaterThanOrEqual(Math.max(mine, foreign));
    await watch.reached(now);
  }
  expect(watch.seen).toHaveLength(5);
  expect((await ours.list('')).items.map(i => i.key)).toEqual([0, 1, 2, 3, 4].map(i => `/registry/a/${i}`));
  expect((await others.list('')).items).toHaveLength(5);
});

test('of revisions that are asked for together none is older than the question', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const [writer, reader] = (await Promise.all([1, 2].map(() => open({ endpoints: [etcd.url] })))) as [Store, Store];
  let done = false;
  const asking = (async () => {
    while (!done) await reader.currentRevision();
  })();
  for (let i = 0; i < 300; i++) {
    const written = await writer.create(`/a/${i}`, Buffer.from('x'));
    expect(await reader.currentRevision()).toBeGreaterThanOrEqual(written);
  }
  done = true;
  await asking;
}, 30_000);

test('keys with a time to live share leases, and go together in one revision', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url] });
  const watch = follow(store, 1);
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => store.create(`/e/${i}`, Buffer.from('x'), { ttlSeconds: 2 })),
  );
  const leases = (await etcdctl(etcd.url, ['lease', 'list'])).trim().split('\n').slice(1);
  expect(leases.length).toBeLessThanOrEqual(3);
  const untilMs = performance.now() + 20_000;
  while (watch.seen.length < 600 && performance.now() < untilMs) await sleep(50);
  expect(watch.seen).toHaveLength(600);
  expect(new Set(watch.seen.slice(300)).size).toBe(leases.length);
}, 30_000);

test('history is forgotten after a period or two, by one of the servers that share etcd', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const clocks = [new FakeClock(), new FakeClock()];
  const stores = await Promise.all(clocks.map(clock => open({ endpoints: [etcd.url], clock })));
  const [store] = stores as [Store];
  const old = await store.create('/a', Buffer.from('1'));
  await store.update('/a', Buffer.from('2'), old);
  const shared = (): Promise<string> => etcdctl(etcd.url, ['get', 'compact_rev_key', '-w', 'fields']);
  const period = async (n: number): Promise<void> => {
    await Promise.all(clocks.map(clock => clock.advance(5 * 60_000)));
    await waitFor(async () => (await shared()).includes(`"Version" : ${n}\n`));
    // Whoever came second has learnt of it too.
    await Promise.all(stores.map(s => s.currentRevision()));
    await sleep(100);
  };
  await period(1);
  expect((await store.get('/a', { revision: old }))?.value.toString()).toBe('1');
  const kept = await store.currentRevision();
  await store.update('/a', Buffer.from('3'), old + 1);
  await period(2);
  await waitFor(async () => {
    const error = await store.get('/a', { revision: old }).catch((e: unknown) => e);
    return error instanceof CompactedError && error.oldestRevision > old;
  });
  expect((await store.get('/a', { revision: kept }))?.value.toString()).toBe('2');
  expect(await shared()).toContain('"Version" : 2\n');
}, 30_000);

test('large values and changes come in parts that nobody notices', async () => {
  const [etcd] = (await cluster()) as [EtcdProcess];
  const store = await open({ endpoints: [etcd.url] });
  const names = Array.from({ length: 150 }, (_, i) => `/big/${String(i).padStart(3, '0')}`);
  for (const name of names) await store.create(name, Buffer.alloc(500_000, name));
  const { items, more } = await store.list('/big/');
  expect([items.map(i => i.key), more]).toEqual([names, false]);
  expect(items.every(i => i.value.equals(Buffer.alloc(500_000, i.key)))).toBe(true);
  const watch = follow(store, 1);
  await watch.reached(151);
  expect(watch.seen).toEqual(names.map((_, i) => i + 2));
}, 30_000);

interface TlsFolder extends EtcdFiles {
  readonly folder: string;
  write(name: 'ca' | 'cert' | 'key', pem: string): void;
}

function tlsFolder(authority: KeyPair, pair: KeyPair): TlsFolder {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-etcd-tls-'));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const files = { ca: join(folder, 'ca.crt'), cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  const write = (name: 'ca' | 'cert' | 'key', pem: string): void => writeFileSync(files[name], pem);
  write('ca', authority.certPem);
  write('cert', pair.certPem);
  write('key', pair.keyPem);
  return { folder, ...files, write };
}

function issue(authority: KeyPair, usage: 'server' | 'client'): KeyPair {
  const nowMs = Date.now();
  return issueKeyPair(authority, {
    subject: { commonName: 'k8ts' },
    usages: usage === 'server' ? ['server', 'client'] : ['client'],
    ipAddresses: ['127.0.0.1'],
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + DAY_MS,
  });
}

test('TLS: wrong certificates are told apart, replaced ones are used without a restart', async () => {
  const authority = createAuthority('etcd-ca', Date.now());
  const stranger = createAuthority('other-ca', Date.now());
  const server = tlsFolder(authority, issue(authority, 'server'));
  const [etcd] = (await cluster({ tls: server })) as [EtcdProcess];
  const client = tlsFolder(authority, issue(authority, 'client'));
  const endpoints = [etcd.url];
  const tls = { caFile: client.ca, certFile: client.cert, keyFile: client.key };
  const failing = async (files: EtcdStoreOptions['tls'], startMs = 0): Promise<unknown> =>
    openEtcdStore({ endpoints, tls: files, startMs }).catch((e: unknown) => e);

  expect(await failing({})).toMatchObject({ reason: 'unreachable', message: expect.stringMatching(/certificate/) });
  expect(await failing({ caFile: client.ca })).toMatchObject({ reason: 'unreachable' });
  expect(await failing({ caFile: '/nowhere' })).toMatchObject({
    reason: 'denied',
    message: expect.stringContaining('--etcd-cafile: cannot read /nowhere'),
  });
  expect(await failing({ ...tls, keyFile: server.key })).toMatchObject({
    reason: 'denied',
    message: expect.stringMatching(/cannot be used.*belong together/),
  });

  const store = await open({ endpoints, tls });
  await store.create('/a', Buffer.from('1'));
  // The key comes later than the certificate; connections that are made between use what there was.
  const renewed = issue(authority, 'client');
  client.write('cert', renewed.certPem);
  await etcd.kill();
  await etcd.start();
  await untilItAnswers(store);
  client.write('key', renewed.keyPem);
  // The new one is good, the old one would not be: etcd trusts another authority now, as the client does.
  const other = issue(stranger, 'server');
  server.write('ca', stranger.certPem);
  server.write('cert', other.certPem);
  server.write('key', other.keyPem);
  const strange = issue(stranger, 'client');
  client.write('ca', stranger.certPem);
  client.write('cert', strange.certPem);
  client.write('key', strange.keyPem);
  await etcd.kill();
  await etcd.start();
  await untilItAnswers(store);
  expect((await store.get('/a'))?.value.toString()).toBe('1');
  const old = tlsFolder(authority, renewed);
  const oldTls = { caFile: old.ca, certFile: old.cert, keyFile: old.key };
  expect(await failing(oldTls)).toMatchObject({ reason: 'unreachable' });
}, 60_000);
