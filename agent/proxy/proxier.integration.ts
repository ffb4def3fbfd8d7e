/** The proxy against a real kernel with real packets, in network namespaces of its own. Needs root. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { endpointSlices, services } from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Service } from '../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { Conntrack, Iptables } from '../node-iptables/index.ts';
import { IptablesBackend } from './iptables-backend.ts';
import { Proxier } from './proxier.ts';
import { Lab } from './testdata/lab.ts';
import { ManualInformer, service, slice, testNode } from './testdata/objects.ts';

const lab = new Lab(`px${process.pid}`);
const prefix = lab.in('node');
const iptables = new Iptables({ prefix });
const svcs = new ManualInformer<Service>(services);
const slices = new ManualInformer<EndpointSlice>(endpointSlices);
const syncs: { kind: string; services: number; durationMs: number }[] = [];
let syncWaiters: (() => void)[] = [];
const FOREIGN = '-d 203.0.113.1/32 -j RETURN';

function newProxier(): Proxier {
  const backend = new IptablesBackend({
    iptables,
    node: () => testNode,
    log: silentLogger,
  });
  return new Proxier({
    services: svcs,
    endpointSlices: slices,
    families: [{ backend, node: () => testNode }],
    conntrack: new Conntrack({ prefix }),
    clock: systemClock,
    log: silentLogger,
    driftCheckMs: 400,
    onSync: sync => {
      syncs.push(sync);
      for (const done of syncWaiters) done();
      syncWaiters = [];
    },
  });
}

/** Runs `change` and resolves when the kernel has it; gives the time from the change to the end of the write. */
async function written(change: () => void): Promise<number> {
  const startedMs = performance.now();
  const synced = new Promise<void>(resolve => syncWaiters.push(resolve));
  change();
  await synced;
  return performance.now() - startedMs;
}

let stop = new AbortController();
let running: Promise<void>;

beforeAll(async () => {
  await lab.up();
  await iptables.apply([
    {
      table: 'nat',
      append: [
        { chain: 'PREROUTING', rule: FOREIGN },
        { chain: 'OUTPUT', rule: FOREIGN },
      ],
    },
  ]);
  await iptables.apply([
    { table: 'filter', chains: new Map([['FOREIGN', [FOREIGN]]]), append: [{ chain: 'FORWARD', rule: '-j FOREIGN' }] },
  ]);
  const proxier = newProxier();
  running = proxier.run(stop.signal);
  await proxier.ready();
}, 60_000);

afterAll(async () => {
  stop.abort();
  await running;
  await lab.down();
});

const names = (answers: string[]) => new Set(answers.map(a => a.split(' ')[0]));
const web = (spec = {}) => service('web', { clusterIP: '10.96.0.20', ...spec });
const twoPods = slice('web', ['10.244.0.3', '10.244.0.4']);

test('a ClusterIP reaches all endpoints from pods and from the node', async () => {
  await written(() => {
    slices.set(twoPods);
    svcs.set(web());
  });
  expect(names(await lab.fetch('node', '10.96.0.20', 80, { count: 30 }))).toEqual(new Set(['pod1', 'pod2']));
  const fromPod = await lab.fetch('pod1', '10.96.0.20', 80, { count: 30 });
  expect(names(fromPod)).toEqual(new Set(['pod1', 'pod2']));
  // To itself through the service it is masqueraded, to another pod it keeps its address.
  expect(new Set(fromPod)).toEqual(
    new Set(['pod1 ::ffff:10.244.0.1', 'pod2 ::ffff:10.244.0.3'].map(a => a.replace('::ffff:', ''))),
  );
});

test('an endpoint on the node itself, such as the API server, is reached from everywhere', async () => {
  await written(() => {
    slices.set(slice('api', ['192.0.2.1']));
    svcs.set(service('api', { clusterIP: '10.96.0.1' }));
  });
  expect(await lab.fetch('pod1', '10.96.0.1', 80)).toEqual(['node 10.244.0.3']);
  expect(names(await lab.fetch('node', '10.96.0.1', 80))).toEqual(new Set(['node']));
  expect(names(await lab.fetch('client', '10.96.0.1', 80))).toEqual(new Set(['node']));
  await written(() => svcs.remove(service('api', {})));
});

test('a removed endpoint gets no connection any more', async () => {
  await written(() => slices.set(slice('web', ['10.244.0.4'])));
  expect(names(await lab.fetch('client', '10.96.0.20', 80, { count: 10 }))).toEqual(new Set(['pod2']));
});

test('a service without endpoints refuses at once', async () => {
  await written(() => slices.set(slice('web', [])));
  for (const place of ['node', 'pod1', 'client'] as const) {
    expect(await lab.fetch(place, '10.96.0.20', 80)).toEqual(['ECONNREFUSED']);
  }
});

test('a node port answers outside, on the node and on localhost', async () => {
  await written(() => {
    slices.set(twoPods);
    svcs.set(web({ type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }));
  });
  expect(names(await lab.fetch('client', '192.0.2.1', 30080, { count: 20 }))).toEqual(new Set(['pod1', 'pod2']));
  expect(names(await lab.fetch('node', '127.0.0.1', 30080, { count: 20 }))).toEqual(new Set(['pod1', 'pod2']));
  expect(names(await lab.fetch('pod1', '192.0.2.1', 30080, { count: 20 }))).toEqual(new Set(['pod1', 'pod2']));
});

test('policy Local keeps the client address and answers only where an endpoint is', async () => {
  const spec = {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ name: 'http', port: 80, nodePort: 30080 }],
  };
  const far = { addresses: ['10.244.0.4'], nodeName: 'elsewhere', conditions: { ready: true } };
  await written(() => {
    slices.set(slice('web', ['10.244.0.3', far]));
    svcs.set(web(spec));
  });
  expect(new Set(await lab.fetch('client', '192.0.2.1', 30080, { count: 10 }))).toEqual(new Set(['pod1 192.0.2.2']));
  await written(() => slices.set(slice('web', [far])));
  expect(await lab.fetch('client', '192.0.2.1', 30080)).toEqual(['timeout']);
  expect(names(await lab.fetch('node', '192.0.2.1', 30080))).toEqual(new Set(['pod2']));
});

test('session affinity keeps a client with its endpoint until the time is over', async () => {
  const affine = (timeoutSeconds: number) =>
    web({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
  await written(() => {
    slices.set(twoPods);
    svcs.set(affine(60));
  });
  expect(names(await lab.fetch('client', '10.96.0.20', 80, { count: 25 })).size).toBe(1);
  await written(() => svcs.set(web()));
  expect(names(await lab.fetch('client', '10.96.0.20', 80, { count: 30 })).size).toBe(2);
});

test('external and load balancer addresses answer, the latter within its source ranges', async () => {
  await written(() =>
    svcs.set({
      ...service(
        'web',
        {
          clusterIP: '10.96.0.20',
          type: 'LoadBalancer',
          externalIPs: ['203.0.113.5'],
          ports: [{ name: 'http', port: 80 }],
        },
        ['203.0.113.6'],
      ),
    }),
  );
  expect(names(await lab.fetch('client', '203.0.113.5', 80, { count: 20 })).size).toBe(2);
  expect(names(await lab.fetch('client', '203.0.113.6', 80, { count: 20 })).size).toBe(2);
  await written(() =>
    svcs.set({
      ...service(
        'web',
        {
          clusterIP: '10.96.0.20',
          type: 'LoadBalancer',
          loadBalancerSourceRanges: ['198.51.100.0/24'],
          ports: [{ name: 'http', port: 80 }],
        },
        ['203.0.113.6'],
      ),
    }),
  );
  expect(await lab.fetch('client', '203.0.113.6', 80)).toEqual(['timeout']);
});

test('UDP follows an endpoint that goes and finds one that comes', async () => {
  const udp = { name: 'dns', port: 53, protocol: 'UDP' };
  const of = (...ips: string[]) => slice('udp', ips, [{ ...udp, port: 5353 }]);
  await written(() => {
    slices.set(of('10.244.0.3'));
    svcs.set(service('udp', { clusterIP: '10.96.0.30', ports: [udp] }));
  });
  expect(await lab.fetch('client', '10.96.0.30', 53, { kind: 'udp' })).toEqual(['pod1 10.244.0.1']);
  await written(() => slices.set(of('10.244.0.4')));
  expect(names(await lab.fetch('client', '10.96.0.30', 53, { kind: 'udp' }))).toEqual(new Set(['pod2']));
});

test('a flush by someone else is repaired', async () => {
  await written(() => void iptables.restore('*nat\n-F KUBE-PROXY-CANARY\n-F KUBE-SERVICES\nCOMMIT\n'));
  expect(syncs.at(-1)?.kind).toBe('full');
  await written(() => svcs.set(web()));
  expect(names(await lab.fetch('client', '10.96.0.20', 80, { count: 20 })).size).toBe(2);
});

test('a restart changes nothing in the kernel and finds what changed meanwhile', async () => {
  stop.abort();
  await running;
  const before = (await iptables.save()).get('nat');
  stop = new AbortController();
  const again = newProxier();
  running = again.run(stop.signal);
  await again.ready();
  expect((await iptables.save()).get('nat')).toEqual(before);
  stop.abort();
  await running;
  slices.set(slice('web', ['10.244.0.3']));
  svcs.remove(service('udp', {}));
  stop = new AbortController();
  const third = newProxier();
  running = third.run(stop.signal);
  await third.ready();
  const nat = (await iptables.save('nat')).get('nat');
  expect([...(nat?.keys() ?? [])].filter(c => c.startsWith('KUBE-SEP-'))).toHaveLength(1);
  expect(names(await lab.fetch('client', '10.96.0.20', 80, { count: 10 }))).toEqual(new Set(['pod1']));
});

test('a service that the kernel refuses harms no other', async () => {
  const bad = service('bad', {
    clusterIP: '10.96.0.40',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 9.5 } },
  });
  await written(() => {
    slices.set(slice('bad', ['10.244.0.3']));
    svcs.set(bad);
    svcs.set(service('good', { clusterIP: '10.96.0.41' }));
    slices.set(slice('good', ['10.244.0.3']));
  });
  expect(names(await lab.fetch('client', '10.96.0.41', 80))).toEqual(new Set(['pod1']));
  await written(() => svcs.remove(bad));
});

test('1,000 services are loaded at once, and one change among them costs a small part of that', async () => {
  const loadMs = await written(() => {
    for (let i = 0; i < 1000; i++) {
      const name = `many-${i}`;
      slices.set(
        slice(
          name,
          [1, 2, 3, 4, 5].map(n => `10.244.${i >> 6}.${((i & 63) << 2) + n}`),
        ),
      );
      svcs.set(service(name, { clusterIP: `10.96.${4 + (i >> 8)}.${i & 255}` }));
    }
  });
  const tookMs: number[] = [];
  for (let i = 0; i < 20; i++)
    tookMs.push(await written(() => slices.set(slice('web', i % 2 === 0 ? ['10.244.0.4'] : ['10.244.0.3']))));
  const added: number[] = [];
  for (let i = 0; i < 10; i++) {
    added.push(
      await written(() => {
        slices.set(slice(`new-${i}`, ['10.244.0.3']));
        svcs.set(service(`new-${i}`, { clusterIP: `10.96.200.${i}` }));
      }),
    );
  }
  const removed: number[] = [];
  for (let i = 0; i < 10; i++) removed.push(await written(() => svcs.remove(service(`new-${i}`, {}))));
  const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1] ?? NaN;
  process.stdout.write(
    `1,000 services: load ${loadMs.toFixed(0)} ms; medians: endpoint change ${median(tookMs).toFixed(0)} ms, added ${median(added).toFixed(0)} ms, removed ${median(removed).toFixed(0)} ms\n`,
  );
  expect(names(await lab.fetch('client', '10.96.0.20', 80))).toEqual(new Set(['pod1']));
  expect(median(tookMs)).toBeLessThan(loadMs / 5);
}, 60_000);

test('cleanup() leaves nothing of ours and everything of others', async () => {
  stop.abort();
  await running;
  await newProxier().cleanup();
  const saved = await iptables.save();
  for (const [, chains] of saved) expect([...chains.keys()].filter(c => c.startsWith('KUBE-'))).toEqual([]);
  expect(
    saved
      .get('nat')
      ?.get('PREROUTING')
      ?.rules.map(r => r.text),
  ).toEqual([FOREIGN]);
  expect(
    saved
      .get('nat')
      ?.get('OUTPUT')
      ?.rules.map(r => r.text),
  ).toEqual([FOREIGN]);
  expect(
    saved
      .get('filter')
      ?.get('FORWARD')
      ?.rules.map(r => r.text),
  ).toEqual(['-j FOREIGN']);
  expect(
    saved
      .get('filter')
      ?.get('FOREIGN')
      ?.rules.map(r => r.text),
  ).toEqual([FOREIGN]);
  await newProxier().cleanup();
}, 60_000);
