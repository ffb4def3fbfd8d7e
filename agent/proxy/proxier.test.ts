import { describe, expect, test } from '@jest/globals';
import { endpointSlices, services } from '../../machinery/client/resource.ts';
import { FakeClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import { Proxier } from './proxier.ts';
import { ManualInformer, service, slice, testNode } from './testdata/objects.ts';

/** Says what it was asked; a write ends when `finish` is called, or at once. */
class RecordingBackend implements ProxyBackend {
  readonly name = 'iptables';
  readonly refused = new Map<string, string>();
  readonly calls: string[] = [];
  drifted = false;
  fail: Error | undefined;
  held = false;
  private waiting: (() => void)[] = [];

  async replaceAll(updates: Iterable<ServiceUpdate>): Promise<void> {
    this.calls.push(`all ${[...updates].map(describeUpdate).sort().join(' ')}`);
    await this.end();
  }

  async update(updates: readonly ServiceUpdate[]): Promise<void> {
    this.calls.push(`update ${updates.map(describeUpdate).sort().join(' ')}`);
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

  private async end(): Promise<void> {
    if (this.held) await new Promise<void>(resolve => this.waiting.push(resolve));
    const { fail } = this;
    this.fail = undefined;
    if (fail !== undefined) throw fail;
  }
}

function describeUpdate({ service: key, ports }: ServiceUpdate): string {
  return `${key.split('/')[1]}=${ports.map(p => p.clusterEndpoints.length).join()}`;
}

async function start() {
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
    slices.set(slice('web', ['10.244.0.9']));
    await clock.advance(0);
    expect(backend.calls.slice(1)).toEqual(['update web=0']);
    backend.held = false;
    backend.finish();
    await clock.advance(0);
    expect(backend.calls.slice(2)).toEqual(['update a=0 b=0 web=1']);
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
