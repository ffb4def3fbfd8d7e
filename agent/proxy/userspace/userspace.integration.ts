/** Services without a packet filter: real connections and datagrams between network namespaces. Needs root. */
import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '../../host/exec.ts';
import type { BackEndCase } from '../testdata/back-ends.ts';
import { Lab } from '../testdata/lab.ts';
import { ProxyInLab, elsewhere } from '../testdata/proxy-in-lab.ts';
import { RemoteUserspace } from '../testdata/remote-userspace.ts';

const lab = new Lab(`us${process.pid}`);

beforeAll(() => lab.up(), 60_000);
afterAll(() => lab.down());

describe.each(['IPv4', 'IPv6'] as const)('userspace %s', family => {
  let backend: RemoteUserspace;
  const backEnd: BackEndCase = {
    name: 'userspace',
    family,
    create: (of, node) =>
      (backend = new RemoteUserspace(of, node, family === 'IPv4' ? '10.96.0.0/16' : 'fd00:96::/64')),
    rules: () => Promise.resolve([]),
    flush: () => Promise.resolve(),
  };
  const proxy = new ProxyInLab(lab, backEnd);
  const { at } = proxy;
  const web = { clusterIP: at.service(20) };
  const nodePort = { ...web, type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };
  const both = new Set(['pod1', 'pod2']);
  const one = new Set(['pod1']);
  const other = new Set(['pod2']);

  beforeAll(() => proxy.start(), 60_000);
  afterAll(async () => {
    await proxy.cleanup();
    backend.kill();
  });

  test('a ClusterIP reaches all endpoints from pods, from the node and from outside', async () => {
    await proxy.put('web', web, [at.pod1, at.pod2]);
    for (const place of ['node', 'client', 'pod1'] as const)
      expect(await proxy.names(place, at.service(20), 80)).toEqual(both);
  });

  test('a service without endpoints refuses at once, TCP and UDP; so does an address that is nobody’s', async () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    await proxy.put('web', { ...web, ports }, []);
    for (const place of ['node', 'pod1', 'client'] as const) {
      expect(await lab.fetch(place, at.service(20), 80)).toEqual(['ECONNREFUSED']);
      expect(await lab.fetch(place, at.service(20), 53, { kind: 'udp' })).toEqual(['ECONNREFUSED']);
      expect(await lab.fetch(place, at.service(999), 80)).toEqual(['ECONNREFUSED']);
    }
  });

  test('a node port answers outside, on the node, to pods, and not at service addresses', async () => {
    await proxy.put('web', nodePort, [at.pod1, at.pod2]);
    for (const host of [at.node, at.secondNode]) expect(await proxy.names('client', host, 30080)).toEqual(both);
    expect(await proxy.names('pod1', at.node, 30080)).toEqual(both);
    expect(await proxy.names('node', at.loopback, 30080)).toEqual(both);
    expect(await lab.fetch('pod1', at.service(77), 30080)).toEqual([expect.stringMatching(/ECONN(REFUSED|RESET)/)]);
  });

  test('external and load balancer addresses; source ranges', async () => {
    const spec = {
      ...web,
      type: 'LoadBalancer',
      externalIPs: [at.external(5)],
      loadBalancerSourceRanges: [at.strangers],
    };
    await proxy.put('web', spec, [at.pod1], [at.external(7)]);
    expect(await proxy.names('client', at.external(5), 80, 3)).toEqual(one);
    expect(await lab.fetch('client', at.external(7), 80)).toEqual(['ECONNRESET']);
    await proxy.put('web', { ...spec, loadBalancerSourceRanges: [at.clientNetwork] }, [at.pod1], [at.external(7)]);
    expect(await proxy.names('client', at.external(7), 80, 3)).toEqual(one);
  });

  test('policies Local stay on the node; clients in the cluster are not outside', async () => {
    const spec = { ...nodePort, externalTrafficPolicy: 'Local' };
    await proxy.put('web', spec, [at.pod1, elsewhere(at.pod2)]);
    expect(await proxy.names('client', at.node, 30080)).toEqual(one);
    expect(await proxy.names('pod1', at.node, 30080)).toEqual(both);
    await proxy.put('web', { ...web, internalTrafficPolicy: 'Local' }, [at.pod1, elsewhere(at.pod2)]);
    expect(await proxy.names('pod2', at.service(20), 80, 10)).toEqual(one);
  });

  test('affinity keeps a client with its endpoint while that is there', async () => {
    await proxy.put('web', { ...web, sessionAffinity: 'ClientIP' }, [at.pod1, at.pod2]);
    const [first = ''] = await proxy.names('client', at.service(20), 80, 15);
    expect(await proxy.names('client', at.service(20), 80, 15)).toEqual(new Set([first]));
    const left = first === 'pod1' ? at.pod2 : at.pod1;
    await proxy.put('web', { ...web, sessionAffinity: 'ClientIP' }, [left]);
    expect(await proxy.names('client', at.service(20), 80, 15)).toEqual(first === 'pod1' ? other : one);
  });

  test('connections that stand go on while endpoints come and go, and when the service goes', async () => {
    // Where the lab's servers keep connections.
    const lasting = (...endpoints: string[]): Promise<number> => proxy.endpoints('web', endpoints, 8090);
    await proxy.put('web', web, []);
    await lasting(at.pod1);
    expect(await lab.keep('client', at.service(20), 80)).toBe('pod1');
    await lasting(at.pod2);
    expect(await lab.askKept('client')).toEqual(['pod1']);
    expect(await lab.keep('client', at.service(20), 80)).toBe('pod2');
    await proxy.remove('web');
    expect(await lab.askKept('client')).toEqual(['pod1', 'pod2']);
    await lab.closeKept('client');
  });

  test('UDP flows stay with their endpoint and leave it when it goes', async () => {
    const dns = { ...web, ports: [{ name: 'http', port: 53, protocol: 'UDP' }] };
    const endpoints = (...ips: string[]) =>
      proxy.written(() => proxy.slices.set(proxy.slice('dns', ips, [{ name: 'http', port: 5353, protocol: 'UDP' }])));
    await proxy.put('dns', dns, []);
    await endpoints(at.pod1, at.pod2);
    const name = async (): Promise<Set<string | undefined>> =>
      new Set((await lab.fetch('client', at.service(20), 53, { kind: 'udp', count: 5 })).map(a => a.split(' ')[0]));
    const [first] = await name();
    await endpoints(first === 'pod1' ? at.pod2 : at.pod1);
    expect(await name()).toEqual(new Set([first === 'pod1' ? 'pod2' : 'pod1']));
    await proxy.remove('dns');
  });

  test('an endpoint that does not answer is passed over; no connection is lost', async () => {
    await proxy.put('web', web, [at.client, at.pod1]);
    expect(await proxy.names('pod2', at.service(20), 80, 10)).not.toContain('ECONNREFUSED');
    const end = await lab.storm('client', at.service(20), 80);
    for (let i = 0; i < 10; i++) await proxy.put('web', web, [[at.pod1], [at.pod2], [at.pod1, at.pod2]][i % 3] ?? []);
    const { answered, failures } = await end();
    expect([answered > 0, failures]).toEqual([true, []]);
  });

  test('a port that somebody has is told by service, and others work', async () => {
    // The lab's places listen on 8080 of all addresses.
    await proxy.put('taken', { clusterIP: at.service(21), ports: [{ name: 'http', port: 8080 }] }, [at.pod1]);
    await proxy.put('web', web, [at.pod1]);
    expect(backend.refused.get('default/taken')).toMatch(/port 8080\/TCP: .*EADDRINUSE/);
    expect(await proxy.names('client', at.service(20), 80, 3)).toEqual(one);
    await proxy.remove('taken');
    expect(backend.refused.size).toBe(0);
  });

  test('a thousand services cost a file descriptor and a few kilobytes each', async () => {
    const before = await backend.resident();
    const descriptors = (): number => readdirSync(`/proc/${backend.pid}/fd`).length;
    const fewer = descriptors();
    await proxy.written(() => {
      for (let i = 0; i < 1_000; i++) {
        proxy.slices.set(proxy.slice(`many-${i}`, [at.pod1]));
        proxy.services.set({
          metadata: { namespace: 'default', name: `many-${i}` },
          spec: { clusterIP: at.service(1_000 + i), ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
        });
      }
    });
    while (descriptors() < fewer + 1_000) await new Promise(resolve => setTimeout(resolve, 20));
    expect(await proxy.names('client', at.service(1_999), 80, 3)).toEqual(one);
    const bytesEach = ((await backend.resident()) - before) / 1_000;
    expect(bytesEach).toBeLessThan(100_000);
  });

  test('leaving removes all', async () => {
    await proxy.cleanup();
    const { stdout } = await run([
      ...lab.in('node'),
      'ip',
      `-${family === 'IPv4' ? 4 : 6}`,
      'route',
      'show',
      'table',
      'local',
      'proto',
      '85',
    ]);
    expect(stdout.trim()).toBe('');
    expect(existsSync(`/proc/${backend.pid}`)).toBe(true);
  });
});
