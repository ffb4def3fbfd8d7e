import { expect, test } from '@jest/globals';
import type { Lease } from '../../proto/api/coordination-v1.ts';
import { conflict, notFound, serviceUnavailable } from '../meta/status-error.ts';
import { FakeClock } from '../process/clock.ts';
import { silentLogger } from '../process/logger.ts';
import { LeaderElector } from './leader-elector.ts';
import { RestClient } from './rest-client.ts';
import type { ApiRequest, Transport } from './transport.ts';

/** One Lease with optimistic locking. */
class LeaseServer implements Transport {
  lease: Lease | undefined;
  private version = 0;

  async call(request: ApiRequest): Promise<unknown> {
    const resource = { group: 'coordination.k8s.io', resource: 'leases' };
    if (request.method === 'GET') {
      if (this.lease === undefined) throw notFound(resource, 'l');
      return this.lease;
    }
    const next = request.body as Lease;
    if (request.method === 'PUT' && next.metadata.resourceVersion !== this.lease?.metadata.resourceVersion)
      throw conflict(resource, 'l');
    this.lease = { ...next, metadata: { ...next.metadata, resourceVersion: String(++this.version) } };
    return this.lease;
  }

  watch(): never {
    throw new Error('not used');
  }

  async close(): Promise<void> {}
}

function candidate(transport: Transport, clock: FakeClock, identity: string, log: string[]) {
  const elector = new LeaderElector({
    client: new RestClient(transport),
    lease: { namespace: 'kube-system', name: 'l' },
    identity,
    clock,
    logger: silentLogger,
  });
  const stop = new AbortController();
  const run = elector.run(stop.signal, async signal => {
    log.push(`+${identity}`);
    await new Promise(resolve => signal.addEventListener('abort', resolve));
    log.push(`-${identity}`);
  });
  return { stop, run };
}

test('LeaderElector has one leader at a time and hands over at once on stop', async () => {
  const [server, clock, log] = [new LeaseServer(), new FakeClock(), [] as string[]];
  const a = candidate(server, clock, 'a', log);
  await clock.advance(10);
  const b = candidate(server, clock, 'b', log);
  await clock.advance(60_000);
  expect(log).toEqual(['+a']);
  a.stop.abort();
  await a.run;
  await clock.advance(3000);
  expect(log).toEqual(['+a', '-a', '+b']);
  expect(server.lease?.spec.leaseTransitions).toBe(1);
  b.stop.abort();
  await b.run;
});

test('LeaderElector stops leading before another may begin, when it cannot renew', async () => {
  const [server, clock, log] = [new LeaseServer(), new FakeClock(), [] as string[]];
  let cut = false;
  const flaky: Transport = {
    call: request => (cut ? Promise.reject(serviceUnavailable('cut')) : server.call(request)),
    watch: () => server.watch(),
    close: () => server.close(),
  };
  const a = candidate(flaky, clock, 'a', log);
  await clock.advance(10);
  const b = candidate(server, clock, 'b', log);
  await clock.advance(5000);
  cut = true;
  await clock.advance(30_000);
  expect(log).toEqual(['+a', '-a', '+b']);
  a.stop.abort();
  b.stop.abort();
  await Promise.all([a.run, b.run]);
});
