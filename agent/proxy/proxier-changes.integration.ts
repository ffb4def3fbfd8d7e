/** What comes and goes, restarts, failures and foreign hands, with every back end and family: real packets. Needs root. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '../host/exec.ts';
import { BACK_ENDS } from './testdata/back-ends.ts';
import { Lab } from './testdata/lab.ts';
import { service } from './testdata/objects.ts';
import { ProxyInLab, elsewhere } from './testdata/proxy-in-lab.ts';

const lab = new Lab(`pd${process.pid}`);
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
  const proxy = new ProxyInLab(lab, backEnd);
  const { at } = proxy;
  const web = { clusterIP: at.service(20) };
  const nodePort = { ...web, type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] };
  const both = new Set(['pod1', 'pod2']);
  const one = new Set(['pod1']);
  const other = new Set(['pod2']);

  beforeAll(() => proxy.start(), 60_000);
  afterAll(() => proxy.cleanup());

  test('an endpoint that is removed gets no new connection and keeps those that it has', async () => {
    await proxy.put('lasting', { clusterIP: at.service(21), ports: [{ name: 'http', port: 90 }] }, []);
    await proxy.endpoints('lasting', [at.pod1], 8090);
    expect(await lab.keep('client', at.service(21), 90)).toBe('pod1');
    await proxy.put('web', web, [at.pod2]);
    await proxy.endpoints('lasting', [at.pod2], 8090);
    expect(await proxy.names('client', at.service(20), 80, 10)).toEqual(other);
    expect(await lab.askKept('client')).toEqual(['pod1']);
    await lab.closeKept('client');
    await proxy.remove('lasting');
  });

  test('endpoints come from any number of slices', async () => {
    const wide = { clusterIP: at.service(22) };
    await proxy.written(() => {
      for (let i = 0; i < 300; i++)
        proxy.slices.set(
          proxy.slice(
            'wide',
            [i % 2 === 0 ? at.pod1 : at.pod2],
            [{ name: 'http', port: 8080 + (i % 4 < 2 ? 0 : 1) }],
            `s${i}`,
          ),
        );
      proxy.services.set(service('wide', wide));
    });
    const found = await proxy.names('pod1', at.service(22), 80, 60);
    expect([...found].sort()).toEqual(['pod1', 'pod1:8081', 'pod2', 'pod2:8081']);
    await proxy.remove('wide');
  });

  test('UDP follows an endpoint that goes and finds one that comes', async () => {
    const dns = { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 };
    const of = (...ips: string[]) => proxy.slice('udp', ips, [{ ...dns, port: 5353 }]);
    const ask = async (host: string, port: number) =>
      (await lab.fetch('client', host, port, { kind: 'udp' }))[0]?.split(' ')[0];
    await proxy.written(() => {
      proxy.slices.set(of(at.pod1));
      proxy.services.set(service('udp', { clusterIP: at.service(30), type: 'NodePort', ports: [dns] }));
    });
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod1', 'pod1']);
    await proxy.written(() => proxy.slices.set(of(at.pod2)));
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod2', 'pod2']);
    await proxy.written(() => proxy.slices.set(of()));
    expect(await ask(at.service(30), 53)).toBe('ECONNREFUSED');
    await proxy.written(() => proxy.slices.set(of(at.pod1)));
    expect([await ask(at.service(30), 53), await ask(at.node, 30053)]).toEqual(['pod1', 'pod1']);
  });

  test('no connection fails while endpoints and a hundred other services come and go', async () => {
    await proxy.put('web', nodePort, [at.pod1, at.pod2]);
    const storms = [await lab.storm('client', at.node, 30080), await lab.storm('client', at.service(20), 80)];
    const names = Array.from({ length: 100 }, (_, i) => `other-${i}`);
    for (let round = 0; round < 12; round++) {
      const places = [[at.pod1], [at.pod2], [at.pod1, at.pod2]][round % 3] ?? [];
      await proxy.written(() => {
        proxy.slices.set(proxy.slice('web', places));
        for (const [i, name] of names.entries()) {
          proxy.slices.set(proxy.slice(name, places));
          if (round % 4 === 3) proxy.services.remove(service(name, {}));
          else proxy.services.set(service(name, { clusterIP: at.service(300 + i) }));
        }
      });
    }
    for (const calm of storms) {
      const { answered, failures } = await calm();
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(12);
    }
  }, 120_000);

  test('a flush by someone else is repaired', async () => {
    await proxy.put('web', web, [at.pod1, at.pod2]);
    await proxy.written(() => backEnd.flush(lab));
    expect(proxy.lastSync).toBe('full');
    for (const place of ['client', 'node'] as const) expect(await proxy.names(place, at.service(20), 80)).toEqual(both);
  });

  test('a restart cuts no connection, changes nothing and finds what changed meanwhile', async () => {
    await proxy.put('web', nodePort, [at.pod1, at.pod2]);
    await proxy.written(() => {
      proxy.slices.set(proxy.slice('kept', [at.pod1], [{ name: 'http', port: 8090 }]));
      proxy.services.set(service('kept', { clusterIP: at.service(23) }));
    });
    const before = await backEnd.rules(lab);
    expect(await lab.keep('client', at.service(23), 80)).toBe('pod1');
    const calm = await lab.storm('client', at.service(20), 80);
    for (let i = 0; i < 3; i++) {
      await proxy.end();
      await proxy.start();
    }
    expect(await backEnd.rules(lab)).toEqual(before);
    const { answered, failures } = await calm();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(await lab.askKept('client')).toEqual(['pod1']);
    await lab.closeKept('client');
    await proxy.end();
    proxy.slices.set(proxy.slice('web', [at.pod1]));
    proxy.services.set(service('web', web));
    for (const gone of ['kept', 'udp']) proxy.services.remove(service(gone, {}));
    await proxy.start();
    expect(await proxy.names('client', at.service(20), 80, 10)).toEqual(one);
    const left = (await backEnd.rules(lab)).join('\n');
    for (const gone of [at.service(23), at.service(30), '30080', at.pod2]) expect(left).not.toContain(gone);
  }, 60_000);

  test('a service that the kernel refuses harms no other, neither among changes nor at start', async () => {
    const bad = {
      clusterIP: at.service(40),
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 9.5 } },
    };
    await proxy.written(() => {
      for (const name of ['bad', 'good', 'better']) proxy.slices.set(proxy.slice(name, [at.pod1]));
      proxy.services.set(service('good', { clusterIP: at.service(41) }));
      proxy.services.set(service('bad', bad));
      proxy.services.set(service('better', { clusterIP: at.service(42) }));
    });
    const works = async () => {
      for (const n of [41, 42]) expect(await proxy.names('client', at.service(n), 80, 1)).toEqual(one);
    };
    await works();
    await proxy.written(() => proxy.proxier?.nodeChanged());
    await works();
    await proxy.written(() => proxy.services.set(service('bad', { clusterIP: at.service(40) })));
    expect(await proxy.names('client', at.service(40), 80, 1)).toEqual(one);
    for (const name of ['bad', 'good', 'better']) await proxy.written(() => proxy.services.remove(service(name, {})));
  });

  test('of two services with one address the older has it, and the other after it', async () => {
    const claim = { ...web, externalIPs: [at.external(7)], ports: [{ name: 'http', port: 7000 }] };
    const older = service('older', { ...claim, clusterIP: at.service(50) });
    const newer = service('newer', { ...claim, clusterIP: at.service(51) });
    older.metadata.creationTimestamp = '2024-01-01T00:00:00Z';
    newer.metadata.creationTimestamp = '2024-01-02T00:00:00Z';
    await proxy.written(() => {
      proxy.slices.set(proxy.slice('older', [at.pod1]));
      proxy.slices.set(proxy.slice('newer', [at.pod2]));
      proxy.services.set(newer);
      proxy.services.set(older);
    });
    expect(await proxy.names('client', at.external(7), 7000, 5)).toEqual(one);
    expect(await proxy.names('client', at.service(51), 7000, 5)).toEqual(other);
    await proxy.written(() => proxy.services.remove(older));
    expect(await proxy.names('client', at.external(7), 7000, 5)).toEqual(other);
    await proxy.written(() => proxy.services.remove(newer));
  });

  test('1,000 services are loaded at once, and one change among them costs a small part of that', async () => {
    const far = (n: number): string =>
      backEnd.family === 'IPv4' ? `10.244.${16 + (n >> 8)}.${n & 255}` : `fd00:244::1:${n.toString(16)}`;
    const loadMs = await proxy.written(() => {
      for (let i = 0; i < 1000; i++) {
        proxy.slices.set(
          proxy.slice(
            `many-${i}`,
            [1, 2, 3, 4, 5].map(n => elsewhere(far(i * 5 + n))),
          ),
        );
        proxy.services.set(service(`many-${i}`, { clusterIP: at.service(1024 + i) }));
      }
    });
    const tookMs: number[] = [];
    for (let i = 0; i < 10; i++) tookMs.push(await proxy.endpoints('web', [i % 2 === 0 ? at.pod2 : at.pod1]));
    for (let i = 0; i < 5; i++) tookMs.push(await proxy.put(`new-${i}`, { clusterIP: at.service(200 + i) }, [at.pod1]));
    for (let i = 0; i < 5; i++) tookMs.push(await proxy.written(() => proxy.services.remove(service(`new-${i}`, {}))));
    expect(await proxy.names('client', at.service(20), 80, 1)).toEqual(one);
    expect(tookMs.sort((a, b) => a - b)[tookMs.length >> 1]).toBeLessThan(loadMs / 4);
    await proxy.written(() => {
      for (let i = 0; i < 1000; i++) proxy.services.remove(service(`many-${i}`, {}));
    });
  }, 120_000);

  test('cleanup() leaves nothing of ours and everything of others', async () => {
    await proxy.end();
    await proxy.proxier?.cleanup();
    expect(await backEnd.rules(lab)).toEqual([]);
    const ruleset = (await onNode('nft', 'list', 'ruleset')).stdout;
    expect(ruleset).not.toMatch(/KUBE-|k8ts-proxy/);
    expect(ruleset.match(/203\.0\.113\.99/g)).toHaveLength(FOREIGN.length + 1);
    expect(await lab.fetch('node', at.service(20), 80, { silence: true })).not.toEqual([
      expect.stringContaining('pod'),
    ]);
    await proxy.proxier?.cleanup();
  }, 60_000);
});
