import { describe, expect, test } from '@jest/globals';
import { endpointSlices, services } from '../../machinery/client/resource.ts';
import { FakeClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import type { NodeModel } from './plan/model.ts';
import { Proxier } from './proxier.ts';
import type { ProxierOptions } from './proxier.ts';
import { ManualInformer, service, slice, testNode } from './testdata/objects.ts';

/** Says what it was asked; a write ends when `finish` is called, or at once. */
class RecordingBackend implements ProxyBackend {
  readonly name = 'iptables';
  readonly refused = new Map<string, string>();
  readonly calls: string[] = [];
  drifted = false;
  fail: Error | undefined;
  held = false;
  /** How long a write takes on `clock`. */
  tookMs = 0;
  clock: FakeClock | undefined;
  /** Of each write the external addresses. */
  readonly externalIPs: string[] = [];
  private waiting: (() => void)[] = [];

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    this.note('all', [...updates]);
    await this.end();
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    this.note('update', updates);
    await this.end();
  }

  hasDrifted(): Promise<boolean> {
    this.calls.push('drift?');
    return Promise.resolve(this.drifted);
  }

  cleanup(): Promise<boolean> {
    return Promise.resolve(true);
  }

  finish(): void {
    for (const done of this.waiting.splice(0)) done();
  }

  private note(kind: string, updates: readonly ServiceUpdate[]): void {
    this.calls.push(`${kind} ${updates.map(describeUpdate).sort().join(' ')}`);
    this.externalIPs.push(updates.flatMap(({ ports }) => ports.flatMap(port => port.externalIPs)).join());
  }

  private async end(): Promise<void> {
    if (this.tookMs > 0) await this.clock?.sleep(this.tookMs);
    if (this.held) await new Promise<void>(resolve => this.waiting.push(resolve));
    const { fail } = this;
    this.fail = undefined;
    if (fail !== undefined) throw fail;
  }
}

function describeUpdate({ service: key, ports }: ServiceUpdate): string {
  return `${key.split('/')[1]}=${ports.map(p => p.clusterEndpoints.length).join()}`;
}

async function start(more: Partial<ProxierOptions> = {}) {
  const svcs = new ManualInformer<Service>(services);
  const slices = new ManualInformer<EndpointSlice>(endpointSlices);
  const backend = new RecordingBackend();
  const clock = new FakeClock();
  const stop = new AbortController();
  svcs.set(service('web', { clusterIP: '10.96.0.20' }));
  slices.set(slice('web', ['10.244.0.3']));
  const proxier = new Proxier({
    services: svcs,
    endpointSlices: slices,
    families: [{ backend, node: () => testNode }],
    clock,
    log: silentLogger,
    ...more,
  });
  const running = proxier.run(stop.signal);
  await proxier.ready();
  return { svcs, slices, backend, clock, proxier, end: () => (stop.abort(), running) };
}

describe('Proxier', () => {
  test('writes everything once at start and differences after', async () => {
    const { svcs, slices, backend, clock, end } = await start();
    slices.set(slice('web', ['10.244.0.3', '10.244.0.4']));
    await clock.advance(0);
    svcs.remove(service('web', {}));
    await clock.advance(0);
    expect(backend.calls).toEqual(['all web=1', 'update web=2', 'update web=']);
    await end();
  });

  test('writes together what comes during a write, and misses nothing', async () => {
    const { svcs, slices, backend, clock, end } = await start();
    backend.held = true;
    slices.set(slice('web', []));
    await clock.advance(0);
    svcs.set(service('a', { clusterIP: '10.96.0.21' }));
    svcs.set(service('b', { clusterIP: '10.96.0.22' }));
    slices.set(slice('a', ['10.244.0.9']));
    slices.set(slice('b', ['10.244.0.9']));
    slices.set(slice('web', ['10.244.0.9']));
    await clock.advance(0);
    expect(backend.calls.slice(1)).toEqual(['update web=0']);
    backend.held = false;
    backend.finish();
    await clock.advance(0);
    expect(backend.calls.slice(2)).toEqual(['update a=1 b=1 web=1']);
    await end();
  });

  test('waits a moment for the endpoints of a new service, and no longer', async () => {
    const { svcs, slices, backend, clock, end } = await start();
    svcs.set(service('a', { clusterIP: '10.96.0.21' }));
    svcs.set(service('b', { clusterIP: '10.96.0.22' }));
    await clock.advance(10);
    expect(backend.calls).toHaveLength(1);
    slices.set(slice('a', ['10.244.0.9']));
    await clock.advance(0);
    expect(backend.calls.slice(1)).toEqual(['update a=1']);
    await clock.advance(20);
    expect(backend.calls.slice(2)).toEqual(['update b=0']);
    await clock.advance(100);
    expect(backend.calls).toHaveLength(3);
    await end();
  });

  test('repeats a failed write as a full one, with growing delay', async () => {
    const { slices, backend, clock, end } = await start();
    backend.fail = new Error('locked');
    slices.set(slice('web', []));
    await clock.advance(199);
    expect(backend.calls.slice(1)).toEqual(['update web=0']);
    await clock.advance(2);
    expect(backend.calls.slice(2)).toEqual(['all web=0']);
    await end();
  });

  test('does nothing at rest but look for drift, and repairs it', async () => {
    const { backend, clock, end } = await start();
    await clock.advance(9_000);
    expect(backend.calls).toHaveLength(1);
    await clock.advance(2_000);
    expect(backend.calls.slice(1)).toEqual(['drift?']);
    backend.drifted = true;
    await clock.advance(10_000);
    expect(backend.calls.slice(2)).toEqual(['drift?', 'all web=1']);
    await end();
  });

  test('writes all again when the node changed', async () => {
    const { backend, clock, proxier, end } = await start();
    proxier.nodeChanged();
    await clock.advance(0);
    expect(backend.calls).toEqual(['all web=1', 'all web=1']);
    await end();
  });

  test('ready() fails if it stops before the first write', async () => {
    const svcs = new ManualInformer<Service>(services);
    const slices = new ManualInformer<EndpointSlice>(endpointSlices);
    svcs.synced = () => new Promise(() => {});
    const backend = new RecordingBackend();
    const stop = new AbortController();
    const proxier = new Proxier({
      services: svcs,
      endpointSlices: slices,
      families: [{ backend, node: () => testNode }],
      clock: new FakeClock(),
      log: silentLogger,
    });
    const running = proxier.run(stop.signal);
    stop.abort();
    await running;
    await expect(proxier.ready()).rejects.toThrow();
    expect(backend.calls).toEqual([]);
  });
});

describe('Proxier of two families', () => {
  const v6Node: NodeModel = { ...testNode, family: 'IPv6', localServiceIPs: new Set() };
  const dual = service('web', { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20', 'fd00:96::20'] });

  async function startDual(before: (v6: RecordingBackend) => void = () => {}) {
    const svcs = new ManualInformer<Service>(services);
    const slices = new ManualInformer<EndpointSlice>(endpointSlices);
    const [v4, v6] = [new RecordingBackend(), new RecordingBackend()];
    const clock = new FakeClock();
    const stop = new AbortController();
    const told: string[] = [];
    svcs.set(dual);
    before(v6);
    const proxier = new Proxier({
      services: svcs,
      endpointSlices: slices,
      families: [
        { backend: v4, node: () => testNode },
        { backend: v6, node: () => v6Node },
      ],
      events: { event: (subject, type, reason, message) => told.push(`${type} ${reason} ${subject.name}: ${message}`) },
      clock,
      log: silentLogger,
    });
    const running = proxier.run(stop.signal);
    await proxier.ready();
    await clock.advance(0);
    return { svcs, slices, v4, v6, clock, told, end: () => (stop.abort(), running) };
  }

  test('each family hears of its own slices, both of services', async () => {
    const { svcs, slices, v4, v6, clock, end } = await startDual();
    slices.set({ ...slice('web', ['fd00:244::3']), addressType: 'IPv6' });
    await clock.advance(0);
    svcs.remove(dual);
    await clock.advance(0);
    expect(v4.calls).toEqual(['all web=0', 'update web=']);
    expect(v6.calls).toEqual(['all web=0', 'update web=1', 'update web=']);
    await end();
  });

  test('a family that cannot be written does not hold up the other, and comes after', async () => {
    const { slices, v4, v6, clock, end } = await startDual(v6 => (v6.fail = new Error('no ip6tables')));
    slices.set(slice('web', ['10.244.0.3']));
    await clock.advance(100);
    expect(v4.calls).toEqual(['all web=0', 'update web=1']);
    expect(v6.calls).toEqual(['all web=0']);
    await clock.advance(200);
    expect(v6.calls).toEqual(['all web=0', 'all web=0']);
    await end();
  });

  test('a problem is told once, with an event, and again only when it is another', async () => {
    const { svcs, slices, clock, told, end } = await startDual();
    slices.set(slice('web', ['10.244.0.300']));
    await clock.advance(0);
    svcs.set({ ...dual, metadata: { ...dual.metadata, annotations: { a: 'b' } } });
    await clock.advance(0);
    expect(told).toEqual([expect.stringContaining('Warning ServiceNotProgrammed web: IPv4: endpoint "10.244.0.300"')]);
    slices.set(slice('web', ['10.244.0.3']));
    await clock.advance(0);
    slices.set(slice('web', ['10.244.0.300']));
    await clock.advance(0);
    expect(told).toHaveLength(2);
    await end();
  });

  test('a slice that no API server would let pass harms its own service alone', async () => {
    const { svcs, slices, v4, clock, told, end } = await startDual();
    svcs.set(service('good', { clusterIP: '10.96.0.30' }));
    slices.set(slice('good', ['10.244.0.3']));
    slices.set({ ...slice('web', []), endpoints: [{} as never] });
    await clock.advance(0);
    expect(v4.calls.at(-1)).toBe('update good=1 web=');
    expect(told).toEqual([expect.stringContaining('ServiceNotProgrammed web: IPv4: it cannot be read')]);
    await end();
  });

  test('what a back end refuses is told of the service', async () => {
    const { slices, v4, clock, told, end } = await startDual();
    v4.refused.set('default/web', 'invalid argument');
    slices.set(slice('web', ['10.244.0.3']));
    await clock.advance(0);
    slices.set(slice('web', ['10.244.0.4']));
    await clock.advance(0);
    expect(told).toEqual(['Warning ServiceNotProgrammed web: IPv4 iptables: invalid argument']);
    await end();
  });

  test('what a back end refused is tried again, more and more rarely, and counts as a difference until then', async () => {
    const { slices, backend, clock, proxier, end } = await start();
    backend.refused.set('default/web', 'out of memory');
    slices.set(slice('web', ['10.244.0.4']));
    await clock.advance(0);
    const [check] = (await proxier.check()).families;
    expect(check?.differences).toEqual([
      { service: 'default/web', kind: 'missing', where: 'rules, which were refused: out of memory' },
    ]);
    const before = backend.calls.length;
    await clock.advance(5_000);
    await clock.advance(9_000);
    expect(backend.calls.slice(before).filter(call => call !== 'drift?')).toEqual(['update web=1']);
    backend.refused.clear();
    await clock.advance(1_000);
    await clock.advance(60_000);
    expect(backend.calls.slice(before).filter(call => call !== 'drift?')).toEqual(['update web=1']);
    await end();
  });

  test('what is being written counts as not written yet', async () => {
    const { slices, backend, clock, proxier, end } = await start();
    backend.held = true;
    slices.set(slice('web', ['10.244.0.4']));
    await clock.advance(0);
    expect((await proxier.check()).families[0]?.pending).toBe(1);
    backend.held = false;
    backend.finish();
    await clock.advance(0);
    expect((await proxier.check()).families[0]?.pending).toBe(0);
    await end();
  });
});

describe('Proxier and claims', () => {
  test('a service gets an address when its older rival gives it up', async () => {
    const { svcs, backend, clock, end } = await start();
    const aged = (name: string, day: number, externalIPs: string[]): Service => {
      const made = service(name, { clusterIP: `10.96.1.${day}`, externalIPs });
      return { ...made, metadata: { ...made.metadata, creationTimestamp: `2026-01-0${day}T00:00:00Z` } };
    };
    svcs.set(aged('young', 2, ['203.0.113.5']));
    await clock.advance(30);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update young=0', '203.0.113.5']);
    svcs.set(aged('old', 1, ['203.0.113.5']));
    await clock.advance(0);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update young=0', '']);
    await clock.advance(30);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update old=0', '203.0.113.5']);
    svcs.set(aged('old', 1, []));
    await clock.advance(0);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update old=0 young=0', '203.0.113.5']);
    await end();
  });

  test('nobody gets the address and port of an API server, be it down at the moment, or known later', async () => {
    const { svcs, slices, backend, clock, end } = await start();
    svcs.set(service('thief', { clusterIP: '10.96.1.1', externalIPs: ['192.0.2.1', '192.0.2.2'] }));
    await clock.advance(30);
    expect(backend.externalIPs.at(-1)).toBe('192.0.2.1,192.0.2.2');
    const https = [{ name: 'https', port: 80 }];
    slices.set(slice('kubernetes', ['192.0.2.1'], https));
    await clock.advance(0);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update thief=0', '192.0.2.2']);
    slices.set(slice('kubernetes', [], https));
    slices.set(slice('thief', ['10.244.0.9']));
    await clock.advance(0);
    expect([backend.calls.at(-1), backend.externalIPs.at(-1)]).toEqual(['update thief=1', '192.0.2.2']);
    slices.set(slice('kubernetes', ['192.0.2.2'], https));
    await clock.advance(0);
    expect(backend.externalIPs.at(-1)).toBe('192.0.2.1');
    await end();
  });
});

describe('Proxier and changes of rules by others', () => {
  test('looks once they are quiet, at the latest after five seconds, and not every ten seconds while it is told', async () => {
    const listeners = new Set<() => void>();
    const ruleChanges = {
      watching: true,
      onChange(listener: () => void) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
    const { backend, clock, end } = await start({ ruleChanges });
    const told = (): void => listeners.forEach(listener => listener());
    await clock.advance(100_000);
    expect(backend.calls).toHaveLength(1);
    told();
    await clock.advance(1_500);
    expect(backend.calls.slice(1)).toEqual(['drift?']);
    for (let i = 0; i < 11; i++) {
      told();
      await clock.advance(500);
    }
    expect(backend.calls.slice(2)).toEqual(['drift?']);
    backend.drifted = true;
    told();
    await clock.advance(1_500);
    expect(backend.calls.slice(3)).toEqual(['drift?', 'all web=1']);
    await end();
  });
});

describe('Proxier under a stream of changes', () => {
  test('gathers what comes while it pauses after much writing, and writes a single change at once', async () => {
    const { slices, backend, clock, end } = await start();
    backend.tookMs = 100;
    backend.clock = clock;
    let changes = 0;
    for (let i = 0; i < 300; i++) {
      slices.set(slice('web', [`10.244.1.${i % 250}`]));
      changes++;
      await clock.advance(10);
    }
    // 3 s: half of it writing, and the first half second for free.
    const writes = backend.calls.length - 1;
    expect(writes).toBeGreaterThan(8);
    expect(writes).toBeLessThan(25);
    expect(writes).toBeLessThan(changes / 5);
    await clock.advance(5_000);
    const before = backend.calls.length;
    slices.set(slice('web', []));
    await clock.advance(0);
    expect(backend.calls.slice(before)).toEqual(['update web=0']);
    await clock.advance(500);
    await end();
  });
});
