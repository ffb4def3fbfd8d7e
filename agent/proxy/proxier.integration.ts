/** The proxy with every back end against a real kernel with real packets, in network namespaces of its own. Needs root. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { endpointSlices, services } from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Service, ServiceSpec } from '../../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { run } from '../host/exec.ts';
import { Conntrack } from '../node-iptables/index.ts';
import type { NodeModel } from './plan/model.ts';
import { Proxier } from './proxier.ts';
import { BACK_ENDS } from './testdata/back-ends.ts';
import { LAB_ADDRESSES, Lab } from './testdata/lab.ts';
import type { Place } from './testdata/lab.ts';
import { ManualInformer, service, slice, testNode } from './testdata/objects.ts';

const lab = new Lab(`px${process.pid}`);
const onNode = (...argv: string[]): Promise<{ stdout: string }> => run([...lab.in('node'), ...argv]);

/** Rules of others, which nobody may touch. */
const FOREIGN = [
  'iptables -t nat -A PREROUTING -d 203.0.113.99 -j RETURN',
  'iptables -A FORWARD -d 203.0.113.99 -j ACCEPT',
];
const FOREIGN_TABLE = 'table inet foreign { chain c { ip daddr 203.0.113.99 accept; }; }';

beforeAll(async () => {
  await lab.up();
  for (const command of FOREIGN) await onNode(...command.split(' '));
  await onNode('nft', FOREIGN_TABLE);
}, 60_000);

afterAll(() => lab.down());

describe.each(BACK_ENDS)('$name', backEnd => {
  const at = LAB_ADDRESSES[backEnd.family];
  const svcs = new ManualInformer<Service>(services);
  const slices = new ManualInformer<EndpointSlice>(endpointSlices);
  const syncs: { kind: string; durationMs: number }[] = [];
  let node: NodeModel = {
    ...testNode,
    family: backEnd.family,
    clusterCIDR: at.clusterCIDR,
    localServiceIPs: new Set(),
  };
  const syncWaiters: (() => void)[] = [];
  let proxier: Proxier;
  let stop: AbortController;
  let running: Promise<void>;

  beforeAll(start, 60_000);
  afterAll(async () => {
    await end();
    await proxier.cleanup();
  });

  async function start(): Promise<void> {
    proxier = new Proxier({
      services: svcs,
      endpointSlices: slices,
      families: [{ backend: backEnd.create(lab, () => node), node: () => node }],
      conntrack: new Conntrack({ prefix: lab.in('node') }),
      clock: systemClock,
      log: silentLogger,
      driftCheckMs: 500,
      onSync: sync => {
        syncs.push(sync);
        for (const done of syncWaiters.splice(0)) done();
      },
    });
    stop = new AbortController();
    running = proxier.run(stop.signal);
    await proxier.ready();
  }

  async function end(): Promise<void> {
    stop.abort();
    await running;
  }

  /** Runs `change` and resolves when the kernel has it; gives the time from the change to the end of the write. */
  async function written(change: () => unknown): Promise<number> {
    const startedMs = performance.now();
    const synced = new Promise<void>(resolve => syncWaiters.push(resolve));
    await change();
    await synced;
    return performance.now() - startedMs;
  }

  /** Puts a service and its endpoints in place of what there was of it. */
  function put(
    name: string,
    spec: Partial<ServiceSpec>,
    endpoints: (string | Endpoint)[],
    loadBalancerIPs: string[] = [],
  ) {
    return written(() => {
      slices.set(sliceOf(name, endpoints));
      svcs.set(service(name, spec, loadBalancerIPs));
    });
  }

  function sliceOf(...words: Parameters<typeof slice>): EndpointSlice {
    return { ...slice(...words), addressType: backEnd.family };
  }

  async function names(from: Place, host: string, port: number, count = 30): Promise<Set<string | undefined>> {
    return new Set((await lab.fetch(from, host, port, { count })).map(answer => answer.split(' ')[0]));
  }

  const web = { clusterIP: at.service(20) };
  const nodePort = { ...web, type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };
  const elsewhere = (address: string): Endpoint => ({
    addresses: [address],
    nodeName: 'elsewhere',
    conditions: { ready: true },
  });
  const both = new Set(['pod1', 'pod2']);
  const one = new Set(['pod1']);
  const other = new Set(['pod2']);

  test('a ClusterIP reaches all endpoints from pods, from the node and from outside', async () => {
    await put('web', web, [at.pod1, at.pod2]);
    for (const place of ['node', 'client'] as const) expect(await names(place, at.service(20), 80)).toEqual(both);
    // To itself through the service a pod is masqueraded, to another pod it keeps its address.
    expect(new Set(await lab.fetch('pod1', at.service(20), 80, { count: 30 }))).toEqual(
      new Set([`pod1 ${at.bridge}`, `pod2 ${at.pod1}`]),
    );
    // What comes from outside is masqueraded, so that the answer passes here.
    expect(await lab.fetch('client', at.service(20), 80)).toEqual([expect.stringContaining(` ${at.bridge}`)]);
  });

  test('an endpoint on the node itself, such as the API server, is reached from everywhere', async () => {
    await put('api', { clusterIP: at.service(1) }, [at.node]);
    expect(await lab.fetch('pod1', at.service(1), 80)).toEqual([`node ${at.pod1}`]);
    for (const place of ['node', 'client'] as const)
      expect(await names(place, at.service(1), 80, 1)).toEqual(new Set(['node']));
    await written(() => svcs.remove(service('api', {})));
  });

  test("an address of the service range that is nobody's leads nowhere, above all not out", async () => {
    for (const place of ['node', 'pod1'] as const) {
      const [answer] = await lab.fetch(place, at.service(999), 80, { silence: true });
      expect(['timeout', 'EHOSTUNREACH', 'ECONNREFUSED']).toContain(answer);
    }
  });

  test('an endpoint that is removed gets no new connection and keeps those that it has', async () => {
    await put('lasting', { clusterIP: at.service(21), ports: [{ name: 'http', port: 90 }] }, []);
    await written(() => slices.set(sliceOf('lasting', [at.pod1], [{ name: 'http', port: 8090 }])));
    expect(await lab.keep('client', at.service(21), 90)).toBe('pod1');
    await put('web', web, [at.pod2]);
    await written(() => slices.set(sliceOf('lasting', [at.pod2], [{ name: 'http', port: 8090 }])));
    expect(await names('client', at.service(20), 80, 10)).toEqual(other);
    expect(await lab.askKept('client')).toEqual(['pod1']);
    await lab.closeKept('client');
    await written(() => svcs.remove(service('lasting', {})));
  });

  test('a service without endpoints refuses at once, TCP and UDP', async () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    await put('web', { ...web, ports }, []);
    for (const place of ['node', 'pod1', 'client'] as const) {
      expect(await lab.fetch(place, at.service(20), 80)).toEqual(['ECONNREFUSED']);
      expect(await lab.fetch(place, at.service(20), 53, { kind: 'udp' })).toEqual(['ECONNREFUSED']);
    }
    await put('web', { ...nodePort, externalIPs: [at.external(5)] }, []);
    expect(await lab.fetch('client', at.node, 30080)).toEqual(['ECONNREFUSED']);
    expect(await lab.fetch('client', at.external(5), 80)).toEqual(['ECONNREFUSED']);
  });

  test('several ports go where their names say', async () => {
    const ports = [
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'admin', port: 81 },
    ];
    await written(() => {
      slices.set(
        sliceOf(
          'web',
          [at.pod1],
          [
            { name: 'http', port: 8080 },
            { name: 'admin', port: 8081 },
          ],
        ),
      );
      svcs.set(service('web', { ...web, ports }));
    });
    expect(await names('client', at.service(20), 80, 1)).toEqual(one);
    expect(await names('client', at.service(20), 81, 1)).toEqual(new Set(['pod1:8081']));
  });

  test('endpoints that terminate serve while no other does', async () => {
    const leaving = { addresses: [at.pod1], conditions: { ready: false, serving: true, terminating: true } };
    await put('web', web, [leaving, at.pod2]);
    expect(await names('node', at.service(20), 80, 10)).toEqual(other);
    await put('web', web, [leaving]);
    expect(await names('node', at.service(20), 80, 3)).toEqual(one);
  });

  test('endpoints come from any number of slices', async () => {
    const wide = { clusterIP: at.service(22) };
    await written(() => {
      for (let i = 0; i < 300; i++)
        slices.set(
          sliceOf(
            'wide',
            [i % 2 === 0 ? at.pod1 : at.pod2],
            [{ name: 'http', port: 8080 + (i % 4 < 2 ? 0 : 1) }],
            `s${i}`,
          ),
        );
      svcs.set(service('wide', wide));
    });
    const found = await names('pod1', at.service(22), 80, 60);
    expect([...found].sort()).toEqual(['pod1', 'pod1:8081', 'pod2', 'pod2:8081']);
    await written(() => svcs.remove(service('wide', {})));
  });

  test('a node port answers outside, on the node, to pods, and on localhost', async () => {
    await put('web', nodePort, [at.pod1, at.pod2]);
    for (const host of [at.node, at.secondNode]) expect(await names('client', host, 30080)).toEqual(both);
    expect(await names('pod1', at.node, 30080)).toEqual(both);
    expect(await names('node', at.node, 30080)).toEqual(both);
    // No kernel sends ::1 elsewhere.
    if (backEnd.family === 'IPv4') expect(await names('node', at.loopback, 30080)).toEqual(both);
  });

  test('a node port answers on the addresses that it shall, with the masquerade bit that it shall', async () => {
    const before = node;
    node = { ...node, nodePortAddresses: [at.secondNode], masqueradeBit: 20 };
    await written(() => proxier.nodeChanged());
    expect(await names('client', at.secondNode, 30080)).toEqual(both);
    expect(await lab.fetch('client', at.secondNode, 30080)).toEqual([expect.stringContaining(` ${at.bridge}`)]);
    expect(await lab.fetch('client', at.node, 30080, { silence: true })).toEqual(['ECONNREFUSED']);
    if (backEnd.family === 'IPv4') expect(await lab.fetch('node', at.loopback, 30080)).toEqual(['ECONNREFUSED']);
    node = before;
    await written(() => proxier.nodeChanged());
    expect(await names('client', at.node, 30080)).toEqual(both);
  });

  test('externalTrafficPolicy Local keeps the client address and answers only where an endpoint is', async () => {
    const spec = { ...nodePort, externalTrafficPolicy: 'Local', externalIPs: [at.external(5)] };
    await put('web', spec, [at.pod1, elsewhere(at.pod2)]);
    const seen = new Set([`pod1 ${at.client}`]);
    expect(new Set(await lab.fetch('client', at.node, 30080, { count: 10 }))).toEqual(seen);
    expect(new Set(await lab.fetch('client', at.external(5), 80, { count: 10 }))).toEqual(seen);
    // Pods and the node itself are not outside.
    expect(new Set(await lab.fetch('pod2', at.external(5), 80, { count: 30 }))).toContain(`pod1 ${at.pod2}`);
    expect(await names('pod2', at.external(5), 80)).toEqual(both);
    await put('web', spec, [elsewhere(at.pod2)]);
    expect(await lab.fetch('client', at.node, 30080, { silence: true })).toEqual(['timeout']);
    expect(await names('node', at.node, 30080, 1)).toEqual(other);
    expect(await names('pod1', at.external(5), 80, 1)).toEqual(other);
  });

  test('internalTrafficPolicy Local stays on the node', async () => {
    const spec = { ...web, internalTrafficPolicy: 'Local' };
    await put('web', spec, [at.pod1, elsewhere(at.pod2)]);
    for (const place of ['node', 'pod2'] as const) expect(await names(place, at.service(20), 80, 10)).toEqual(one);
    await put('web', spec, [elsewhere(at.pod2)]);
    expect(await lab.fetch('pod1', at.service(20), 80, { silence: true })).toEqual(['timeout']);
  });

  test('session affinity keeps a client with its endpoint until its time is over or the endpoint goes', async () => {
    const affine = (timeoutSeconds: number) => ({
      ...nodePort,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
    });
    await put('web', affine(60), [at.pod1, at.pod2]);
    const [first = ''] = await names('client', at.service(20), 80, 15);
    // One endpoint, by whatever address it is reached.
    expect(await names('client', at.service(20), 80, 15)).toEqual(new Set([first]));
    expect(await names('client', at.node, 30080, 15)).toEqual(new Set([first]));
    const left = first === 'pod1' ? at.pod2 : at.pod1;
    await put('web', affine(60), [left]);
    const [second = ''] = await names('client', at.service(20), 80, 5);
    expect(second).not.toBe(first);
    await put('web', affine(60), [at.pod1, at.pod2]);
    await put('web', affine(1), [at.pod1, at.pod2]);
    // A client whose affinity ended each time is sent anywhere in the end.
    const met = new Set<string | undefined>();
    for (let i = 0; i < 20 && met.size < 2; i++) {
      for (const name of await names('pod2', at.service(20), 80, 1)) met.add(name);
      await new Promise(resolve => setTimeout(resolve, 1_100));
    }
    expect(met).toEqual(both);
    await put('web', web, [at.pod1, at.pod2]);
    expect(await names('client', at.service(20), 80)).toEqual(both);
  }, 60_000);

  test('external and load balancer addresses answer, the latter within its source ranges', async () => {
    const spec = { ...web, type: 'LoadBalancer', externalIPs: [at.external(5)] };
    await put('web', spec, [at.pod1, at.pod2], [at.external(6)]);
    for (const ip of [at.external(5), at.external(6)]) expect(await names('client', ip, 80)).toEqual(both);
    await put('web', { ...spec, loadBalancerSourceRanges: [at.strangers] }, [at.pod1, at.pod2], [at.external(6)]);
    expect(await lab.fetch('client', at.external(6), 80, { silence: true })).toEqual(['timeout']);
    expect(await names('client', at.external(5), 80)).toEqual(both);
    await put(
      'web',
      { ...spec, loadBalancerSourceRanges: [at.strangers, at.clientNetwork] },
      [at.pod1],
      [at.external(6)],
    );
    expect(await names('client', at.external(6), 80, 1)).toEqual(one);
  });

  test('UDP follows an endpoint that goes and finds one that comes', async () => {
    const dns = { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 };
    const of = (...ips: string[]) => sliceOf('udp', ips, [{ ...dns, port: 5353 }]);
    const ask = async (host: string, port: number) =>
      (await lab.fetch('client', host, port, { kind: 'udp' }))[0]?.split(' ')[0];
    await written(() => {
      slices.set(of(at.pod1));
      svcs.set(service('udp', { clusterIP: at.service(30), type: 'NodePort', ports: [dns] }));
    });
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod1', 'pod1']);
    await written(() => slices.set(of(at.pod2)));
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod2', 'pod2']);
    await written(() => slices.set(of()));
    expect(await ask(at.service(30), 53)).toBe('ECONNREFUSED');
    await written(() => slices.set(of(at.pod1)));
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod1', 'pod1']);
  });

  test('SCTP has rules, though few kernels have its sockets', async () => {
    const port = { name: 's', port: 9000, protocol: 'SCTP', nodePort: 30900 };
    await written(() => {
      slices.set(sliceOf('sctp', [at.pod1], [{ ...port, port: 9001 }]));
      svcs.set(service('sctp', { clusterIP: at.service(31), type: 'NodePort', ports: [port] }));
    });
    const rules = await backEnd.rules(lab);
    for (const part of [at.service(31), '30900']) {
      expect(rules.filter(rule => rule.includes('sctp') && rule.includes(part))).not.toEqual([]);
    }
    expect(rules.filter(rule => rule.includes(at.pod1) && rule.includes('9001'))).not.toEqual([]);
    await written(() => svcs.remove(service('sctp', {})));
    expect((await backEnd.rules(lab)).filter(rule => rule.includes(at.service(31)))).toEqual([]);
  });

  test('no connection fails while endpoints come and go', async () => {
    await put('web', nodePort, [at.pod1, at.pod2]);
    const storms = [await lab.storm('client', at.node, 30080), await lab.storm('client', at.service(20), 80)];
    for (let i = 0; i < 12; i++) {
      await written(() =>
        slices.set(sliceOf('web', i % 3 === 0 ? [at.pod1] : i % 3 === 1 ? [at.pod2] : [at.pod1, at.pod2])),
      );
    }
    for (const calm of storms) {
      const { answered, failures } = await calm();
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(12);
    }
  }, 60_000);

  test('a flush by someone else is repaired', async () => {
    await put('web', web, [at.pod1, at.pod2]);
    await written(() => backEnd.flush(lab));
    expect(syncs.at(-1)?.kind).toBe('full');
    for (const place of ['client', 'node'] as const) expect(await names(place, at.service(20), 80)).toEqual(both);
  });

  test('a restart cuts no connection, changes nothing and finds what changed meanwhile', async () => {
    await put('web', nodePort, [at.pod1, at.pod2]);
    await written(() => {
      slices.set(sliceOf('kept', [at.pod1], [{ name: 'http', port: 8090 }]));
      svcs.set(service('kept', { clusterIP: at.service(23) }));
    });
    const before = await backEnd.rules(lab);
    expect(await lab.keep('client', at.service(23), 80)).toBe('pod1');
    const calm = await lab.storm('client', at.service(20), 80);
    for (let i = 0; i < 3; i++) {
      await end();
      await start();
    }
    expect(await backEnd.rules(lab)).toEqual(before);
    const { answered, failures } = await calm();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(await lab.askKept('client')).toEqual(['pod1']);
    await lab.closeKept('client');
    await end();
    slices.set(sliceOf('web', [at.pod1]));
    svcs.set(service('web', web));
    for (const gone of ['kept', 'udp']) svcs.remove(service(gone, {}));
    await start();
    expect(await names('client', at.service(20), 80, 10)).toEqual(one);
    const left = (await backEnd.rules(lab)).join('\n');
    for (const gone of [at.service(23), at.service(30), '30080', at.pod2]) expect(left).not.toContain(gone);
  }, 60_000);

  test('a service that the kernel refuses harms no other, neither among changes nor at start', async () => {
    const bad = {
      clusterIP: at.service(40),
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 9.5 } },
    };
    await written(() => {
      for (const name of ['bad', 'good', 'better']) slices.set(sliceOf(name, [at.pod1]));
      svcs.set(service('good', { clusterIP: at.service(41) }));
      svcs.set(service('bad', bad));
      svcs.set(service('better', { clusterIP: at.service(42) }));
    });
    const works = async () => {
      for (const n of [41, 42]) expect(await names('client', at.service(n), 80, 1)).toEqual(one);
    };
    await works();
    await written(() => proxier.nodeChanged());
    await works();
    await written(() => svcs.set(service('bad', { clusterIP: at.service(40) })));
    expect(await names('client', at.service(40), 80, 1)).toEqual(one);
    for (const name of ['bad', 'good', 'better']) await written(() => svcs.remove(service(name, {})));
  });

  test('of two services with one address the older has it, and the other after it', async () => {
    const claim = { ...web, externalIPs: [at.external(7)], ports: [{ name: 'http', port: 7000 }] };
    const older = service('older', { ...claim, clusterIP: at.service(50) });
    const newer = service('newer', { ...claim, clusterIP: at.service(51) });
    older.metadata.creationTimestamp = '2024-01-01T00:00:00Z';
    newer.metadata.creationTimestamp = '2024-01-02T00:00:00Z';
    await written(() => {
      slices.set(sliceOf('older', [at.pod1]));
      slices.set(sliceOf('newer', [at.pod2]));
      svcs.set(newer);
      svcs.set(older);
    });
    expect(await names('client', at.external(7), 7000, 5)).toEqual(one);
    expect(await names('client', at.service(51), 7000, 5)).toEqual(other);
    await written(() => svcs.remove(older));
    expect(await names('client', at.external(7), 7000, 5)).toEqual(other);
    await written(() => svcs.remove(newer));
  });

  test('1,000 services are loaded at once, and one change among them costs a small part of that', async () => {
    const far = (n: number): string =>
      backEnd.family === 'IPv4' ? `10.244.${16 + (n >> 8)}.${n & 255}` : `fd00:244::1:${n.toString(16)}`;
    const loadMs = await written(() => {
      for (let i = 0; i < 1000; i++) {
        slices.set(
          sliceOf(
            `many-${i}`,
            [1, 2, 3, 4, 5].map(n => elsewhere(far(i * 5 + n))),
          ),
        );
        svcs.set(service(`many-${i}`, { clusterIP: at.service(1024 + i) }));
      }
    });
    const tookMs: number[] = [];
    for (let i = 0; i < 10; i++)
      tookMs.push(await written(() => slices.set(sliceOf('web', [i % 2 === 0 ? at.pod2 : at.pod1]))));
    for (let i = 0; i < 5; i++) tookMs.push(await put(`new-${i}`, { clusterIP: at.service(200 + i) }, [at.pod1]));
    for (let i = 0; i < 5; i++) tookMs.push(await written(() => svcs.remove(service(`new-${i}`, {}))));
    expect(await names('client', at.service(20), 80, 1)).toEqual(one);
    expect(tookMs.sort((a, b) => a - b)[tookMs.length >> 1]).toBeLessThan(loadMs / 4);
    await written(() => {
      for (let i = 0; i < 1000; i++) svcs.remove(service(`many-${i}`, {}));
    });
  }, 120_000);

  test('cleanup() leaves nothing of ours and everything of others', async () => {
    await end();
    await proxier.cleanup();
    expect(await backEnd.rules(lab)).toEqual([]);
    const ruleset = (await onNode('nft', 'list', 'ruleset')).stdout;
    expect(ruleset).not.toMatch(/KUBE-|k8ts-proxy/);
    expect(ruleset.match(/203\.0\.113\.99/g)).toHaveLength(FOREIGN.length + 1);
    expect(await lab.fetch('node', at.service(20), 80, { silence: true })).not.toEqual([
      expect.stringContaining('pod'),
    ]);
    await proxier.cleanup();
  }, 60_000);
});
