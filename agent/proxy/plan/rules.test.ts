import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { renderRestore } from '../../node-iptables/plan/restore.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { cidrFamilyOf, familyOf } from './address.ts';
import { serviceChains } from './chain-names.ts';
import { computeServicePorts } from './compute-service-ports.ts';
import { baseChanges, cleanupChanges, sharedChanges } from './iptables-full.ts';
import { computeDelta, isEmptyDelta, mergeDeltas, renderService, sharedRule, toWritten } from './iptables-delta.ts';
import type { ServiceDelta } from './iptables-delta.ts';

function rendered(svc: Service, slices: EndpointSlice[]) {
  return renderService(computeServicePorts(svc, slices, testNode).ports, testNode);
}

const away = (ip: string, extra = {}) => ({
  addresses: [ip],
  nodeName: 'node-2',
  conditions: { ready: true },
  ...extra,
});
const dns = { name: 'dns', port: 53, protocol: 'UDP' };

const GOLDEN: { name: string; service: Service; slices: EndpointSlice[] }[] = [
  {
    name: 'cluster-ip',
    service: service('web', { clusterIP: '10.96.0.20' }),
    slices: [slice('web', ['10.244.0.3', away('10.244.1.2'), '10.244.0.4'])],
  },
  {
    name: 'no-endpoints',
    service: service('web', { clusterIP: '10.96.0.20', type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    slices: [],
  },
  {
    name: 'node-port-affinity',
    service: service('web', {
      clusterIP: '10.96.0.20',
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } },
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    }),
    slices: [slice('web', ['10.244.0.3', '10.244.0.4'])],
  },
  {
    name: 'load-balancer-local',
    service: service(
      'web',
      {
        clusterIP: '10.96.0.20',
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 32000,
        externalIPs: ['192.0.2.9'],
        loadBalancerSourceRanges: ['198.51.100.0/24'],
        ports: [{ name: 'http', port: 80, nodePort: 30080 }],
      },
      ['192.0.2.7'],
    ),
    slices: [slice('web', ['10.244.0.3', away('10.244.1.2')])],
  },
  {
    name: 'local-without-local-endpoints',
    service: service('web', {
      clusterIP: '10.96.0.20',
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Local',
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    }),
    slices: [slice('web', [away('10.244.1.2')])],
  },
  {
    name: 'udp-and-sctp',
    service: service('mix', { clusterIP: '10.96.0.21', ports: [dns, { name: 'sig', port: 9, protocol: 'SCTP' }] }),
    slices: [
      slice(
        'mix',
        ['10.244.0.5'],
        [
          { ...dns, port: 5353 },
          { name: 'sig', port: 9, protocol: 'SCTP' },
        ],
      ),
    ],
  },
];

describe('renderService()', () => {
  test.each(GOLDEN)('renders $name as its golden says', ({ name, service: svc, slices }) => {
    const { chains, shared } = rendered(svc, slices);
    const text =
      [...[...chains].map(([chain, rules]) => [`:${chain}`, ...rules.map(r => `  ${r}`)].join('\n')), ...shared].join(
        '\n',
      ) + '\n';
    const file = new URL(`../testdata/${name}.golden.txt`, import.meta.url);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  test('makes nothing of headless, external-name and foreign services', () => {
    const none = [
      service('a', { clusterIP: 'None' }),
      service('b', { type: 'ExternalName', externalName: 'example.org' }),
      {
        ...service('c', { clusterIP: '10.96.0.3' }),
        metadata: { namespace: 'default', name: 'c', labels: { 'service.kubernetes.io/service-proxy-name': 'x' } },
      },
    ];
    for (const svc of none) expect(rendered(svc, [slice('a', ['10.244.0.3'])]).shared).toEqual([]);
  });

  test('leaves the address of node-local DNS to the node', () => {
    const svc = service('kube-dns', { clusterIP: '10.96.0.10', ports: [{ ...dns }] });
    expect(rendered(svc, []).shared).toEqual([]);
  });
});

describe('computeServicePorts()', () => {
  const ports = (slices: EndpointSlice[], spec = {}) =>
    computeServicePorts(service('web', { clusterIP: '10.96.0.20', ...spec }), slices, testNode);
  const ips = (slices: EndpointSlice[]) => ports(slices).ports[0]?.clusterEndpoints.map(e => e.ip);

  test('uses ready endpoints, else those that serve while they terminate', () => {
    const leaving = { addresses: ['10.244.0.9'], conditions: { ready: false, serving: true, terminating: true } };
    const dead = { addresses: ['10.244.0.8'], conditions: { ready: false, serving: false, terminating: true } };
    expect(ips([slice('web', ['10.244.0.3', leaving, dead])])).toEqual(['10.244.0.3']);
    expect(ips([slice('web', [leaving, dead])])).toEqual(['10.244.0.9']);
    expect(ips([slice('web', [dead])])).toEqual([]);
  });

  test('takes an unknown readiness for ready', () => {
    expect(ips([slice('web', [{ addresses: ['10.244.0.3'] }])])).toEqual(['10.244.0.3']);
  });

  test('obeys hints only if all ready endpoints have them and one is for here', () => {
    const hinted = (ip: string, zone: string) => away(ip, { hints: { forZones: [{ name: zone }] } });
    expect(ips([slice('web', [hinted('10.244.1.1', 'a'), hinted('10.244.1.2', 'b')])])).toEqual(['10.244.1.1']);
    expect(ips([slice('web', [hinted('10.244.1.1', 'b'), hinted('10.244.1.2', 'b')])])).toHaveLength(2);
    expect(ips([slice('web', [hinted('10.244.1.1', 'a'), away('10.244.1.2')])])).toHaveLength(2);
    const onNode = away('10.244.1.3', { hints: { forNodes: [{ name: 'node-1' }] } });
    expect(ips([slice('web', [onNode, away('10.244.1.4', { hints: { forNodes: [{ name: 'node-2' }] } })])])).toEqual([
      '10.244.1.3',
    ]);
  });

  test('counts an address once and skips what is none', () => {
    expect(
      ips([slice('web', ['10.244.0.3', 'not-an-ip', '10.244.0.300']), slice('web', ['10.244.0.3'], undefined, 'y')]),
    ).toEqual(['10.244.0.3']);
  });

  test('reports bad addresses and ports and keeps the rest', () => {
    const { ports: good, problems } = ports([], {
      externalIPs: ['1.2.3', '192.0.2.1'],
      ports: [{ port: 70_000 }, { name: 'http', port: 80 }],
    });
    expect(good.map(p => [p.port, p.externalIPs])).toEqual([[80, ['192.0.2.1']]]);
    expect(problems).toEqual([expect.stringContaining('1.2.3'), expect.stringContaining('70000')]);
  });
});

test('serviceChains() gives the names that kube-proxy gives', () => {
  // From the iptables of a kubeadm cluster: default/kubernetes:https and kube-system/kube-dns:dns.
  expect(serviceChains({ name: 'default/kubernetes:https', protocol: 'TCP' }).cluster).toBe(
    'KUBE-SVC-NPX46M4PTMTKRN6Y',
  );
  expect(serviceChains({ name: 'kube-system/kube-dns:dns', protocol: 'UDP' }).cluster).toBe(
    'KUBE-SVC-TCOU7JCQXEZGVUNU',
  );
});

test('familyOf() and cidrFamilyOf() know addresses from other text', () => {
  for (const good of ['::', '::1', 'fd00::1', '1:2:3:4:5:6:7:8', '::ffff:10.0.0.1'])
    expect(familyOf(good)).toBe('IPv6');
  for (const bad of [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'g::1',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    'fe80::1%eth0',
  ])
    expect(familyOf(bad)).toBeUndefined();
  expect(cidrFamilyOf('10.0.0.0/8')).toBe('IPv4');
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/ 8'])
    expect(cidrFamilyOf(bad)).toBeUndefined();
});

describe('computeDelta()', () => {
  const spec = { clusterIP: '10.96.0.20' };

  test('is empty when nothing changed', () => {
    const now = rendered(service('web', spec), [slice('web', ['10.244.0.3'])]);
    expect(isEmptyDelta(computeDelta(toWritten(now), now))).toBe(true);
  });

  test('writes only the balancing chain and the new endpoint when one is added', () => {
    const before = rendered(service('web', spec), [slice('web', ['10.244.0.3'])]);
    const after = rendered(service('web', spec), [slice('web', ['10.244.0.3', '10.244.0.4'])]);
    const delta = computeDelta(toWritten(before), after);
    expect([...delta.writeChains.keys()].map(c => c.slice(0, 9))).toEqual(['KUBE-SVC-', 'KUBE-SEP-']);
    expect([delta.deleteChains, delta.addShared, delta.removeShared]).toEqual([[], [], []]);
  });

  test('takes any history of a service to what a full write gives', () => {
    const state = fc.record({
      endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
      nodePort: fc.boolean(),
      affinity: fc.boolean(),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 8 }), history => {
        const kernel = { chains: new Map<string, readonly string[]>(), shared: new Set<string>() };
        let written: ReturnType<typeof toWritten> | undefined;
        let last: ReturnType<typeof rendered> | undefined;
        for (const step of history) {
          const svc = service('web', {
            ...spec,
            ...(step.nodePort ? { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] } : {}),
            ...(step.affinity ? { sessionAffinity: 'ClientIP' } : {}),
          });
          last = step.gone
            ? undefined
            : rendered(svc, [
                slice(
                  'web',
                  step.endpoints.map(n => `10.244.0.${n}`),
                ),
              ]);
          apply(kernel, computeDelta(written, last));
          written = last === undefined ? undefined : toWritten(last);
        }
        expect(new Map([...kernel.chains].sort())).toEqual(new Map([...(last?.chains ?? [])].sort()));
        expect([...kernel.shared].sort()).toEqual([...(last?.shared ?? [])].sort());
      }),
    );
  });

  function apply(kernel: { chains: Map<string, readonly string[]>; shared: Set<string> }, delta: ServiceDelta): void {
    for (const text of delta.removeShared) expect(kernel.shared.delete(text)).toBe(true);
    for (const text of delta.addShared) kernel.shared.add(text);
    for (const [chain, rules] of delta.writeChains) kernel.chains.set(chain, rules);
    for (const chain of delta.deleteChains) expect(kernel.chains.delete(chain)).toBe(true);
    // What jumps somewhere must find it.
    for (const rules of kernel.chains.values()) for (const rule of rules) expectTarget(kernel.chains, rule);
    for (const text of kernel.shared) expectTarget(kernel.chains, sharedRule(text).rule);
  }

  function expectTarget(chains: ReadonlyMap<string, unknown>, rule: string): void {
    const target = /-j (KUBE-(?:SVC|SVL|SEP|EXT|FW)-\S+)$/.exec(rule)?.[1];
    if (target !== undefined) expect(chains.has(target)).toBe(true);
  }
});

describe('full writes', () => {
  test('the first one makes base chains, shared chains and hooks', () => {
    const svc = rendered(service('web', { clusterIP: '10.96.0.20' }), [slice('web', ['10.244.0.3'])]);
    const text = renderRestore([
      ...baseChanges(new Map(), testNode),
      ...sharedChanges(new Map(), svc.shared, testNode),
    ]);
    const file = new URL('../testdata/base.golden.txt', import.meta.url);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  test('cleanupChanges() takes nothing where nothing is', () => {
    expect(cleanupChanges(new Map(), testNode)).toEqual([]);
  });

  test('mergeDeltas() keeps tables apart', () => {
    const delta = computeDelta(undefined, rendered(service('web', { clusterIP: '10.96.0.20' }), []));
    const [nat, filter] = mergeDeltas([delta]);
    expect(nat?.insert).toEqual([]);
    expect(filter?.insert?.map(i => i.chain)).toEqual(['KUBE-SERVICES']);
  });
});
