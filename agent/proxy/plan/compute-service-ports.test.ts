import { describe, expect, test } from '@jest/globals';
import type { ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { computeServicePorts } from './compute-service-ports.ts';
import type { NodeModel } from './model.ts';

const v6Node: NodeModel = { ...testNode, family: 'IPv6', localServiceIPs: new Set(['fd00:96::a']) };

function plan(spec: Partial<ServiceSpec>, slices: EndpointSlice[] = [], ingress: string[] = [], node = testNode) {
  return computeServicePorts(service('web', { clusterIP: '10.96.0.20', ...spec }, ingress), slices, node);
}

function v6(endpoints: string[]): EndpointSlice {
  return { ...slice('web', endpoints), addressType: 'IPv6' };
}

/** An endpoint by letters: l(ocal), r(eady), s(erving), t(erminating). */
function endpoint(ip: string, is: string): Endpoint {
  return {
    addresses: [ip],
    nodeName: is.includes('l') ? 'node-1' : 'node-2',
    conditions: { ready: is.includes('r'), serving: is.includes('s'), terminating: is.includes('t') },
  };
}

describe('computeServicePorts()', () => {
  test('one family at a time, addresses in canonical form', () => {
    const dual = { clusterIPs: ['10.96.0.20', 'FD00:96::0:20'], externalIPs: ['fd00::0001', '203.0.113.1', 'fd00::1'] };
    const slices = [slice('web', ['10.244.0.3']), v6(['FD00:244::3', 'fd00:244:0::3'])];
    const four = plan(dual, slices).ports[0];
    expect([four?.clusterIP, four?.externalIPs, four?.clusterEndpoints.map(e => e.ip)]).toEqual([
      '10.96.0.20',
      ['203.0.113.1'],
      ['10.244.0.3'],
    ]);
    const six = plan(dual, slices, [], v6Node).ports[0];
    expect([six?.clusterIP, six?.externalIPs, six?.clusterEndpoints.map(e => e.ip)]).toEqual([
      'fd00:96::20',
      ['fd00::1'],
      ['fd00:244::3'],
    ]);
    expect(plan({}, slices, [], v6Node).ports).toEqual([]);
  });

  test('an address stands once: the load balancer wins over the external address, whose ranges then hold', () => {
    const spec = { type: 'LoadBalancer', externalIPs: ['203.0.113.6', '203.0.113.5', '10.96.0.20'] };
    const [port] = plan(spec, [], ['203.0.113.6', '203.0.113.6']).ports;
    expect([port?.clusterIP, port?.loadBalancerIPs, port?.externalIPs]).toEqual([
      '10.96.0.20',
      ['203.0.113.6'],
      ['203.0.113.5'],
    ]);
  });

  test('a load balancer that wants the packets itself gets them', () => {
    const made = service('web', { clusterIP: '10.96.0.20', type: 'LoadBalancer' });
    made.status = {
      loadBalancer: {
        ingress: [{ ip: '203.0.113.6', ipMode: 'Proxy' }, { ip: '203.0.113.7', ipMode: 'VIP' }, { hostname: 'x' }],
      },
    };
    expect(computeServicePorts(made, [], testNode).ports[0]?.loadBalancerIPs).toEqual(['203.0.113.7']);
  });

  test.each([
    { ranges: ['198.51.100.7/24', ' 198.51.100.0/24'], want: ['198.51.100.0/24'], problems: 0 },
    { ranges: ['198.51.100.0/24', '0.0.0.0/0'], want: [], problems: 0 },
    { ranges: ['fd00::/8'], want: [], problems: 0 },
    { ranges: ['198.51.100.0', '192.0.2.0/24'], want: ['192.0.2.0/24'], problems: 1 },
  ])('source ranges $ranges', ({ ranges, want, problems }) => {
    const result = plan({ type: 'LoadBalancer', loadBalancerSourceRanges: ranges }, [], ['203.0.113.6']);
    expect(result.ports[0]?.sourceRanges).toEqual(want);
    expect(result.problems).toHaveLength(problems);
  });

  test.each([
    { name: 'ready ones', endpoints: ['lrs', 'rs', 'lst'], cluster: [1, 2], local: [1] },
    { name: 'terminating ones for lack of ready ones', endpoints: ['lst', 'st', 'l'], cluster: [1, 2], local: [1] },
    { name: 'local terminating beside ready elsewhere', endpoints: ['lst', 'rs'], cluster: [2], local: [1] },
    { name: 'none that serves', endpoints: ['lt', 't', 'ls'], cluster: [], local: [] },
    { name: 'published though not ready', endpoints: ['lr', 'r'], cluster: [1, 2], local: [1] },
  ])('endpoints: $name', ({ endpoints, cluster, local }) => {
    const made = slice(
      'web',
      endpoints.map((is, i) => endpoint(`10.244.0.${i + 1}`, is)),
    );
    const [port] = plan({}, [made]).ports;
    const last = (list: readonly { ip: string }[] = []): number[] => list.map(e => Number(e.ip.split('.')[3]));
    expect([last(port?.clusterEndpoints), last(port?.localEndpoints)]).toEqual([cluster, local]);
  });

  test('serving is as ready where nothing is said of it', () => {
    const one = { addresses: ['10.244.0.1'], conditions: { ready: false, terminating: true } };
    expect(plan({}, [slice('web', [one])]).ports[0]?.clusterEndpoints).toEqual([]);
  });

  test('ready endpoints on this node are counted by address, over all ports', () => {
    const both = [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
    ];
    const ports = both.map(({ name, port }) => ({ name, port: port + 8000, protocol: 'TCP' }));
    const made = slice(
      'web',
      [endpoint('10.244.0.1', 'lrs'), endpoint('10.244.0.2', 'lst'), endpoint('10.244.0.3', 'rs')],
      ports,
    );
    expect(plan({ ports: both }, [made]).readyHere).toBe(1);
  });

  test('reports each problem once, and few of very many', () => {
    const bad = Array.from({ length: 50 }, (_, i) => `10.244.0.${300 + i}`);
    const { ports, problems } = plan(
      {
        ports: [
          { name: 'http', port: 80 },
          { name: 'b', port: 81 },
        ],
      },
      [slice('web', [...bad, '10.244.0.3'])],
    );
    expect(ports[0]?.clusterEndpoints).toHaveLength(1);
    expect(problems.length).toBeLessThan(12);
    expect(problems.at(-1)).toMatch(/^and \d+ more$/);
  });

  test.each([
    { what: 'a slice port out of range', ports: [{ name: 'http', port: 70_000, protocol: 'TCP' }] },
    { what: 'a slice port that is none', ports: [{ name: 'http', protocol: 'TCP' }] },
  ])('$what is told', ({ ports }) => {
    const result = plan({}, [slice('web', ['10.244.0.3'], ports)]);
    expect(result.problems).toEqual([expect.stringContaining('web-x')]);
    expect(result.ports[0]?.clusterEndpoints).toEqual([]);
  });

  test('what an older service holds is left out and told, the rest stays', () => {
    const made = service('web', {
      clusterIP: '10.96.0.20',
      type: 'NodePort',
      externalIPs: ['203.0.113.5'],
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    });
    const rivals = new Map([
      ['203.0.113.5 TCP 80', 'default/older'],
      ['* TCP 30080', 'default/older'],
    ]);
    const { ports, problems } = computeServicePorts(made, [], testNode, claim => rivals.get(claim));
    expect([ports[0]?.clusterIP, ports[0]?.externalIPs, ports[0]?.nodePort]).toEqual(['10.96.0.20', [], undefined]);
    expect(problems).toEqual([
      'node port 30080/TCP belongs to service default/older, which is older',
      'port 80/TCP of 203.0.113.5 belongs to service default/older, which is older',
    ]);
  });

  test('an affinity time that no back end can hold becomes the default', () => {
    const of = (timeoutSeconds: number) =>
      plan({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
    expect(of(60).ports[0]?.affinitySeconds).toBe(60);
    expect([of(9.5).ports[0]?.affinitySeconds, of(9.5).problems.length]).toEqual([10_800, 1]);
  });

  test('a thousand slices of a service cost about as much a slice as fifty', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) =>
        slice(
          'web',
          Array.from({ length: 100 }, (_, n) => `10.${i >> 8}.${i & 255}.${n + 1}`),
          undefined,
          String(i),
        ),
      );
    const costMs = (slices: EndpointSlice[]): number => {
      const best = Array.from({ length: 5 }, () => {
        const begin = performance.now();
        plan({}, slices);
        return performance.now() - begin;
      });
      return Math.min(...best) / slices.length;
    };
    const [few, lots] = [many(50), many(1_000)];
    plan({}, few);
    // Quadratic work would be twenty times as much.
    expect(costMs(lots)).toBeLessThan(costMs(few) * 12);
  });
});
