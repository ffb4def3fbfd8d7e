import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import * as packet from 'dns-packet';
import { FakeClock, systemClock } from '../../machinery/process/clock.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { DnsMetrics } from './dns-metrics.ts';
import { Forwarder } from './forwarder.ts';
import { decodeQuery } from './plan/decode-query.ts';
import type { Query } from './plan/decode-query.ts';
import { encodeQuery } from './plan/encode-query.ts';
import type { Upstream } from './plan/forward-rules.ts';
import { NameServer, address } from './testdata/name-server.ts';

const servers: NameServer[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map(server => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function nameServer(...args: ConstructorParameters<typeof NameServer>): Promise<NameServer> {
  const server = await new NameServer(...args).start();
  servers.push(server);
  return server;
}

const query = (name: string): Query => {
  const decoded = decodeQuery(encodeQuery(5, name, 'A'));
  if (decoded.kind !== 'query') throw new Error(decoded.kind);
  return decoded.query;
};

function make(upstreams: readonly Upstream[], more: Partial<ConstructorParameters<typeof Forwarder>[0]> = {}) {
  const registry = new MetricsRegistry();
  const forwarder = new Forwarder({
    resolvConf: '/nonexistent',
    ownAddresses: [],
    clock: systemClock,
    log: silentLogger,
    metrics: new DnsMetrics(registry),
    rules: { upstreams, stubDomains: new Map() },
    ...more,
  });
  /** What is answered: addresses, or how it was refused. */
  const ask = async (name: string): Promise<string | undefined> => {
    const bytes = await forwarder.forward(query(name));
    if (bytes === undefined) return undefined;
    const { rcode, answers = [], flag_tc } = packet.decode(bytes) as packet.DecodedPacket & { rcode: string };
    const data = answers.map(a => ('ttl' in a && 'data' in a ? `${String(a.data)}/${a.ttl}` : ''));
    return [rcode, ...data, ...(flag_tc ? ['cut'] : [])].join(' ');
  };
  return { forwarder, ask, registry };
}

/** Runs `work` while the clock goes on by itself. */
async function withTime<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  void work.finally(() => (isDone = true)).catch(() => {});
  while (!isDone) {
    await new Promise(resolve => setTimeout(resolve, 1));
    await clock.advance(50);
  }
  return work;
}

test('asks once for many, and again only when the answer is old', async () => {
  const server = await nameServer();
  const clock = new FakeClock();
  const { ask } = make([server.upstream], { clock });
  expect(await Promise.all([ask('a.org'), ask('A.org')])).toEqual(['NOERROR 192.0.2.1/20', 'NOERROR 192.0.2.1/20']);
  await clock.advance(17_000);
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.1/3');
  expect(server.asked).toEqual(['a.org']);
  await clock.advance(4_000);
  await ask('a.org');
  expect(server.asked).toHaveLength(2);
});

test('what is asked often is fetched again before it is old', async () => {
  const server = await nameServer();
  const clock = new FakeClock();
  const { ask, registry } = make([server.upstream], { clock });
  for (let i = 0; i < 4; i++) await ask('a.org');
  await clock.advance(18_500);
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.1/2');
  while (server.asked.length < 2) await new Promise(resolve => setImmediate(resolve));
  // Until the new answer has come.
  while ((await ask('a.org')) !== 'NOERROR 192.0.2.1/20') await new Promise(resolve => setImmediate(resolve));
  expect(server.asked).toHaveLength(2);
  expect(registry.render()).toContain('coredns_cache_prefetch_total{server="dns://:53",zones=".",view=""} 1');
});

test('turns to the next server, and does not wait for the silent one again', async () => {
  const [silent, good] = [await nameServer(() => undefined), await nameServer()];
  const { ask } = make([silent.upstream, good.upstream]);
  const startMs = performance.now();
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.1/20');
  const firstMs = performance.now() - startMs;
  const againMs = performance.now();
  for (let i = 0; i < 5; i++) expect(await ask(`b${i}.org`)).toBe('NOERROR 192.0.2.1/20');
  // Five without a wait take less than one with it.
  expect(performance.now() - againMs).toBeLessThan(firstMs);
  expect(silent.asked).toEqual(['a.org']);
});

test('the silent one is used again once it answers', async () => {
  const [first, second] = [await nameServer(), await nameServer(name => address(name, 20, '192.0.2.2'))];
  const clock = new FakeClock();
  const { ask } = make([first.upstream, second.upstream], { clock });
  await first.refuse();
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.2/20');
  await first.answerAgain();
  await clock.advance(1_500);
  await ask('b.org');
  while (first.asked.length === 0) await new Promise(resolve => setImmediate(resolve));
  let answer: string | undefined;
  for (let i = 0; answer !== 'NOERROR 192.0.2.1/20'; i++) answer = await ask(`c${i}.org`);
});

test('a server that fails or refuses is not believed while another knows', async () => {
  const failing = await nameServer(() => ({ flags: 2 }));
  const good = await nameServer();
  expect(await make([failing.upstream, good.upstream]).ask('a.org')).toBe('NOERROR 192.0.2.1/20');
  expect(await make([failing.upstream]).ask('a.org')).toBe('SERVFAIL');
  expect(failing.asked).toHaveLength(2);
});

test('gives up in time when nobody answers, and sooner when that was so before', async () => {
  const silent = await nameServer(() => undefined);
  const clock = new FakeClock();
  const { ask } = make([silent.upstream], { clock });
  const took = async (name: string): Promise<number> => {
    const startMs = clock.monotonicMs();
    expect(await withTime(clock, ask(name))).toBeUndefined();
    return clock.monotonicMs() - startMs;
  };
  const first = await took('a.org');
  expect(first).toBeLessThan(5_000);
  expect(await took('b.org')).toBeLessThan(first);
});

test('an old answer is better than none', async () => {
  const server = await nameServer();
  const clock = new FakeClock();
  const { ask } = make([server.upstream], { clock });
  await ask('a.org');
  server.reply = () => undefined;
  await clock.advance(60_000);
  expect(await withTime(clock, ask('a.org'))).toBe('NOERROR 192.0.2.1/5');
  await clock.advance(5_000);
  server.reply = () => ({ flags: 2 });
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.1/5');
  server.reply = () => ({ flags: 3 });
  expect(await ask('a.org')).toBe('NXDOMAIN');
  await clock.advance(4_000_000);
  server.reply = () => ({ flags: 2 });
  expect(await ask('a.org')).toBe('SERVFAIL');
});

test('what is cut short is asked for over TCP; where that cannot be, it says so', async () => {
  const short: packet.Packet = { flags: packet.TRUNCATED_RESPONSE };
  const server = await nameServer((name, transport) => (transport === 'udp' ? short : address(name)));
  const { ask } = make([server.upstream]);
  expect(await ask('a.org')).toBe('NOERROR 192.0.2.1/20');
  server.reply = () => short;
  expect(await ask('b.org')).toBe('NOERROR cut');
});

test('a bound on what is under way', async () => {
  const silent = await nameServer(() => undefined);
  const clock = new FakeClock();
  const { ask, registry } = make([silent.upstream], { clock, maxInFlight: 1 });
  const first = ask('a.org');
  expect(await ask('b.org')).toBeUndefined();
  expect(registry.render()).toContain('coredns_forward_max_concurrent_rejects_total 1');
  await withTime(clock, first);
});

test('a server that asks us back is found out and left out', async () => {
  const good = await nameServer();
  const { forwarder, ask } = make([good.upstream], {
    exchange: (upstream, bytes) => {
      const { id = 0, questions = [] } = packet.decode(bytes);
      const name = questions[0]?.name ?? '';
      // What is asked there comes back here.
      const isLoop = upstream.address === '192.0.2.9' && forwarder.isLoopCheck(name);
      const reply = upstream.address === '192.0.2.9' ? { flags: 5 } : address(name);
      if (upstream.address === '192.0.2.9' && !isLoop) return new Promise(() => {});
      return Promise.resolve(packet.encode({ type: 'response', id, questions, ...reply }));
    },
  });
  forwarder.setRules({ upstreams: [{ address: '192.0.2.9', port: 53 }, good.upstream], stubDomains: new Map() });
  const startMs = performance.now();
  for (let i = 0; i < 20; i++) expect(await ask(`a${i}.org`)).toBe('NOERROR 192.0.2.1/20');
  // Not a second of waiting in twenty questions.
  expect(performance.now() - startMs).toBeLessThan(20 * 250);
});

test('stub domains have servers of their own', async () => {
  const [host, acme] = [await nameServer(), await nameServer(name => address(name, 9, '192.0.2.7'))];
  const { forwarder, ask } = make([host.upstream]);
  forwarder.setRules({ upstreams: [host.upstream], stubDomains: new Map([['acme.local', [acme.upstream]]]) });
  expect([await ask('db.acme.local'), await ask('a.org')]).toEqual(['NOERROR 192.0.2.7/9', 'NOERROR 192.0.2.1/20']);
  expect(host.asked).toEqual(['a.org']);
});

test('the host’s file is followed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dns-'));
  folders.push(folder);
  const file = join(folder, 'resolv.conf');
  const write = (text: string, ageSeconds: number): void => {
    writeFileSync(file, text);
    utimesSync(file, ageSeconds, ageSeconds);
  };
  const clock: FakeClock & Clock = new FakeClock();
  const asked: string[] = [];
  const { ask } = make([], {
    clock,
    resolvConf: file,
    ownAddresses: ['10.96.0.10'],
    rules: { upstreams: undefined, stubDomains: new Map() },
    exchange: (upstream, bytes) => {
      const { id = 0, questions = [] } = packet.decode(bytes);
      if (questions[0]?.type === 'A') asked.push(upstream.address);
      return Promise.resolve(packet.encode({ type: 'response', id, questions, ...address(questions[0]?.name ?? '') }));
    },
  });
  write('nameserver 10.96.0.10\nnameserver 192.0.2.1\n', 1_000);
  await ask('a.org');
  write('nameserver 192.0.2.2\n', 2_000);
  await clock.advance(6_000);
  await ask('b.org');
  rmSync(file);
  await clock.advance(6_000);
  await ask('c.org');
  expect(asked).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.2']);
});
