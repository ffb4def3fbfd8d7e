/** Where packets go, with every back end and family: a real kernel, real packets, network namespaces of its own. Needs root. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BACK_ENDS } from './testdata/back-ends.ts';
import { LAB_ADDRESSES, Lab } from './testdata/lab.ts';
import { service, slice } from './testdata/objects.ts';
import { ProxyInLab, elsewhere } from './testdata/proxy-in-lab.ts';

const lab = new Lab(`px${process.pid}`);

beforeAll(() => lab.up(), 60_000);
afterAll(() => lab.down());

describe.each(BACK_ENDS)('$name', backEnd => {
  const proxy = new ProxyInLab(lab, backEnd);
  const { at } = proxy;
  const web = { clusterIP: at.service(20) };
  const nodePort = { ...web, type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };
  const both = new Set(['pod1', 'pod2']);
  const one = new Set(['pod1']);
  const other = new Set(['pod2']);

  beforeAll(() => proxy.start(), 60_000);
  afterAll(() => proxy.cleanup());

  test('a ClusterIP reaches all endpoints from pods, from the node and from outside', async () => {
    await proxy.put('web', web, [at.pod1, at.pod2]);
    for (const place of ['node', 'client'] as const) expect(await proxy.names(place, at.service(20), 80)).toEqual(both);
    // To itself through the service a pod is masqueraded, to another pod it keeps its address.
    expect(new Set(await lab.fetch('pod1', at.service(20), 80, { count: 30 }))).toEqual(
      new Set([`pod1 ${at.bridge}`, `pod2 ${at.pod1}`]),
    );
    await proxy.put('web', web, [{ addresses: [at.pod1] }]);
    expect(await lab.fetch('pod1', at.service(20), 80)).toEqual([`pod1 ${at.bridge}`]);
    // What comes from outside is masqueraded, so that the answer passes here.
    expect(await lab.fetch('client', at.service(20), 80)).toEqual([expect.stringContaining(` ${at.bridge}`)]);
  });

  test('an endpoint on the node itself, such as the API server, is reached from everywhere', async () => {
    await proxy.put('api', { clusterIP: at.service(1) }, [at.node]);
    expect(await lab.fetch('pod1', at.service(1), 80)).toEqual([`node ${at.pod1}`]);
    for (const place of ['node', 'client'] as const)
      expect(await proxy.names(place, at.service(1), 80, 1)).toEqual(new Set(['node']));
    await proxy.remove('api');
  });

  test("an address of the service range that is nobody's leads nowhere, above all not out", async () => {
    for (const place of ['node', 'pod1'] as const) {
      const [answer] = await lab.fetch(place, at.service(999), 80, { silence: true });
      expect(['timeout', 'EHOSTUNREACH', 'ECONNREFUSED']).toContain(answer);
    }
  });

  test('a service without endpoints refuses at once, TCP and UDP', async () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    await proxy.put('web', { ...web, ports }, []);
    for (const place of ['node', 'pod1', 'client'] as const) {
      expect(await lab.fetch(place, at.service(20), 80)).toEqual(['ECONNREFUSED']);
      expect(await lab.fetch(place, at.service(20), 53, { kind: 'udp' })).toEqual(['ECONNREFUSED']);
    }
    await proxy.put('web', { ...nodePort, externalIPs: [at.external(5)] }, []);
    expect(await lab.fetch('client', at.node, 30080)).toEqual(['ECONNREFUSED']);
    expect(await lab.fetch('client', at.external(5), 80)).toEqual(['ECONNREFUSED']);
  });

  test('several ports go where their names say', async () => {
    const ports = [
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'admin', port: 81 },
    ];
    await proxy.written(() => {
      proxy.slices.set(
        proxy.slice(
          'web',
          [at.pod1],
          [
            { name: 'http', port: 8080 },
            { name: 'admin', port: 8081 },
          ],
        ),
      );
      proxy.services.set(service('web', { ...web, ports }));
    });
    expect(await proxy.names('client', at.service(20), 80, 1)).toEqual(one);
    expect(await proxy.names('client', at.service(20), 81, 1)).toEqual(new Set(['pod1:8081']));
  });

  test('endpoints that terminate serve while no other does', async () => {
    const leaving = { addresses: [at.pod1], conditions: { ready: false, serving: true, terminating: true } };
    await proxy.put('web', web, [leaving, at.pod2]);
    expect(await proxy.names('node', at.service(20), 80, 10)).toEqual(other);
    await proxy.put('web', web, [leaving]);
    expect(await proxy.names('node', at.service(20), 80, 3)).toEqual(one);
  });

  test('a node port answers outside, on the node, to pods, and on localhost', async () => {
    await proxy.put('web', nodePort, [at.pod1, at.pod2]);
    for (const host of [at.node, at.secondNode]) expect(await proxy.names('client', host, 30080)).toEqual(both);
    expect(await proxy.names('pod1', at.node, 30080)).toEqual(both);
    expect(await proxy.names('node', at.node, 30080)).toEqual(both);
    // No kernel sends ::1 elsewhere.
    if (backEnd.family === 'IPv4') expect(await proxy.names('node', at.loopback, 30080)).toEqual(both);
  });

  test('a node port answers on the addresses that it shall, with the masquerade bit that it shall', async () => {
    const before = proxy.node;
    proxy.node = { ...before, nodePortAddresses: [at.secondNode], masqueradeBit: 20 };
    await proxy.written(() => proxy.proxier?.nodeChanged());
    expect(await proxy.names('client', at.secondNode, 30080)).toEqual(both);
    expect(await lab.fetch('client', at.secondNode, 30080)).toEqual([expect.stringContaining(` ${at.bridge}`)]);
    expect(await lab.fetch('client', at.node, 30080, { silence: true })).toEqual(['ECONNREFUSED']);
    if (backEnd.family === 'IPv4') expect(await lab.fetch('node', at.loopback, 30080)).toEqual(['ECONNREFUSED']);
    proxy.node = before;
    await proxy.written(() => proxy.proxier?.nodeChanged());
    expect(await proxy.names('client', at.node, 30080)).toEqual(both);
  });

  test('externalTrafficPolicy Local keeps the client address and answers only where an endpoint is', async () => {
    const spec = { ...nodePort, externalTrafficPolicy: 'Local', externalIPs: [at.external(5)] };
    await proxy.put('web', spec, [at.pod1, elsewhere(at.pod2)]);
    const seen = new Set([`pod1 ${at.client}`]);
    expect(new Set(await lab.fetch('client', at.node, 30080, { count: 10 }))).toEqual(seen);
    expect(new Set(await lab.fetch('client', at.external(5), 80, { count: 10 }))).toEqual(seen);
    // Pods and the node itself are not outside.
    expect(new Set(await lab.fetch('pod2', at.external(5), 80, { count: 30 }))).toContain(`pod1 ${at.pod2}`);
    expect(await proxy.names('pod2', at.external(5), 80)).toEqual(both);
    await proxy.put('web', spec, [elsewhere(at.pod2)]);
    expect(await lab.fetch('client', at.node, 30080, { silence: true })).toEqual(['timeout']);
    expect(await proxy.names('node', at.node, 30080, 1)).toEqual(other);
    expect(await proxy.names('pod1', at.external(5), 80, 1)).toEqual(other);
  });

  test('internalTrafficPolicy Local stays on the node', async () => {
    const spec = { ...web, internalTrafficPolicy: 'Local' };
    await proxy.put('web', spec, [at.pod1, elsewhere(at.pod2)]);
    for (const place of ['node', 'pod2'] as const)
      expect(await proxy.names(place, at.service(20), 80, 10)).toEqual(one);
    await proxy.put('web', spec, [elsewhere(at.pod2)]);
    expect(await lab.fetch('pod1', at.service(20), 80, { silence: true })).toEqual(['timeout']);
  });

  test('session affinity keeps a client with its endpoint until its time is over or the endpoint goes', async () => {
    const affine = (timeoutSeconds: number) => ({
      ...nodePort,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
    });
    await proxy.put('web', affine(60), [at.pod1, at.pod2]);
    const [first = ''] = await proxy.names('client', at.service(20), 80, 15);
    // One endpoint, by whatever address it is reached.
    expect(await proxy.names('client', at.service(20), 80, 15)).toEqual(new Set([first]));
    expect(await proxy.names('client', at.node, 30080, 15)).toEqual(new Set([first]));
    // A restart forgets nobody.
    await proxy.end();
    await proxy.start();
    expect(await proxy.names('client', at.service(20), 80, 10)).toEqual(new Set([first]));
    const left = first === 'pod1' ? at.pod2 : at.pod1;
    await proxy.put('web', affine(60), [left]);
    const [second = ''] = await proxy.names('client', at.service(20), 80, 5);
    expect(second).not.toBe(first);
    await proxy.put('web', affine(60), [at.pod1, at.pod2]);
    await proxy.put('web', affine(1), [at.pod1, at.pod2]);
    // A client whose affinity ended each time is sent anywhere in the end.
    const met = new Set<string | undefined>();
    for (let i = 0; i < 20 && met.size < 2; i++) {
      for (const name of await proxy.names('pod2', at.service(20), 80, 1)) met.add(name);
      await new Promise(resolve => setTimeout(resolve, 1_100));
    }
    expect(met).toEqual(both);
    await proxy.put('web', web, [at.pod1, at.pod2]);
    expect(await proxy.names('client', at.service(20), 80)).toEqual(both);
  }, 60_000);

  test('external and load balancer addresses answer, the latter within its source ranges', async () => {
    const spec = { ...web, type: 'LoadBalancer', externalIPs: [at.external(5)] };
    await proxy.put('web', spec, [at.pod1, at.pod2], [at.external(6)]);
    for (const ip of [at.external(5), at.external(6)]) expect(await proxy.names('client', ip, 80)).toEqual(both);
    await proxy.put('web', { ...spec, loadBalancerSourceRanges: [at.strangers] }, [at.pod1, at.pod2], [at.external(6)]);
    expect(await lab.fetch('client', at.external(6), 80, { silence: true })).toEqual(['timeout']);
    expect(await proxy.names('client', at.external(5), 80)).toEqual(both);
    await proxy.put(
      'web',
      { ...spec, loadBalancerSourceRanges: [at.strangers, at.clientNetwork] },
      [at.pod1],
      [at.external(6)],
    );
    expect(await proxy.names('client', at.external(6), 80, 1)).toEqual(one);
  });

  test('SCTP finds its endpoint by cluster IP and node port', async () => {
    const port = { name: 's', port: 9000, protocol: 'SCTP', nodePort: 30900 };
    await proxy.written(() => {
      proxy.slices.set(proxy.slice('sctp', [at.pod1], [{ ...port, port: 9001 }]));
      proxy.services.set(service('sctp', { clusterIP: at.service(31), type: 'NodePort', ports: [port] }));
    });
    expect(await lab.sctp('client', at.service(31), 9000, 'pod1')).toBe(`${at.bridge} 9001`);
    expect(await lab.sctp('client', at.node, 30900, 'pod1')).toBe(`${at.bridge} 9001`);
    await proxy.remove('sctp');
  });
});

test('a service of both families answers in both, and in the one that is left', async () => {
  const [v4, v6] = [LAB_ADDRESSES.IPv4, LAB_ADDRESSES.IPv6];
  const [first, second] = BACK_ENDS.filter(({ name }) => name.startsWith('nftables'));
  if (first === undefined || second === undefined) throw new Error('nftables has two families');
  const proxy = new ProxyInLab(lab, first, second);
  try {
    await proxy.start();
    await proxy.written(() => {
      proxy.slices.set(slice('web', [v4.pod1]));
      proxy.slices.set({ ...slice('web', [v6.pod2], undefined, 'v6'), addressType: 'IPv6' });
      proxy.services.set(service('web', { clusterIP: v4.service(20), clusterIPs: [v4.service(20), v6.service(20)] }));
    });
    expect(await proxy.names('pod1', v4.service(20), 80, 1)).toEqual(new Set(['pod1']));
    expect(await proxy.names('pod1', v6.service(20), 80, 1)).toEqual(new Set(['pod2']));
    await proxy.written(() =>
      proxy.services.set(service('web', { clusterIP: v6.service(20), clusterIPs: [v6.service(20)] })),
    );
    expect(await proxy.names('pod1', v6.service(20), 80, 1)).toEqual(new Set(['pod2']));
    expect(await lab.fetch('pod1', v4.service(20), 80, { silence: true })).not.toEqual([
      expect.stringContaining('pod'),
    ]);
  } finally {
    await proxy.cleanup();
  }
}, 60_000);
