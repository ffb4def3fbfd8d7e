import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { endpointChain, isServiceChain, serviceChains } from './chain-names.ts';
import { computeServicePorts } from './compute-service-ports.ts';
import type { Hairpin } from './iptables-base.ts';
import { addressBranch, isBranch, portBranch } from './iptables-branches.ts';
import { renderService } from './iptables-render.ts';
import type { NodeModel } from './model.ts';

const nodeV6: NodeModel = { ...testNode, family: 'IPv6', clusterCIDR: 'fd00:10::/64' };

function rendered(svc: Service, slices: EndpointSlice[], node = testNode, hairpin?: Hairpin) {
  return renderService(computeServicePorts(svc, slices, node).ports, node, hairpin);
}

const away = (ip: string) => ({ addresses: [ip], nodeName: 'node-2', conditions: { ready: true } });
const dns = { name: 'dns', port: 53, protocol: 'UDP' };

const GOLDEN: { name: string; service: Service; slices: EndpointSlice[]; node?: NodeModel; hairpin?: Hairpin }[] = [
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
  {
    name: 'chains-without-bpf',
    service: service('web', { clusterIP: '10.96.0.20' }),
    slices: [slice('web', ['10.244.0.3', away('10.244.1.2')])],
    hairpin: 'ruleAnEndpoint',
  },
  {
    name: 'ipv6',
    service: service('web', {
      clusterIP: 'fd00:96::14',
      type: 'NodePort',
      externalIPs: ['2001:db8::9'],
      sessionAffinity: 'ClientIP',
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    }),
    slices: [{ ...slice('web', [away('fd00:10::3')]), addressType: 'IPv6' }],
    node: nodeV6,
  },
  {
    name: 'ipv6-no-endpoints',
    service: service('web', {
      clusterIP: 'fd00:96::14',
      type: 'NodePort',
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    }),
    slices: [],
    node: nodeV6,
  },
];

describe('renderService()', () => {
  test.each(GOLDEN)('renders $name as its golden says', ({ name, service: svc, slices, node, hairpin }) => {
    const { chains, shared } = rendered(svc, slices, node, hairpin);
    const text = [
      ...[...chains].flatMap(([chain, rules]) => [`:${chain}`, ...rules.map(r => `  ${r}`)]),
      ...shared.map(({ branch, rule }) => `${branch.table} ${branch.root} ${branch.entry}\n  ${rule}`),
      '',
    ].join('\n');
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

test('serviceChains() gives the names that kube-proxy gives', () => {
  // From the iptables of a kubeadm cluster: default/kubernetes:https and kube-system/kube-dns:dns.
  expect(serviceChains({ name: 'default/kubernetes:https', protocol: 'TCP' }).cluster).toBe(
    'KUBE-SVC-NPX46M4PTMTKRN6Y',
  );
  expect(serviceChains({ name: 'kube-system/kube-dns:dns', protocol: 'UDP' }).cluster).toBe(
    'KUBE-SVC-TCOU7JCQXEZGVUNU',
  );
});

describe('branches', () => {
  test('hold 256 addresses or 64 ports each, and are known by their names', () => {
    const of = (ip: string) => addressBranch('nat', 'KUBE-SERVICES', ip);
    expect(of('10.96.4.7')).toEqual(of('10.96.4.255'));
    expect(of('10.96.4.7').chain).not.toBe(of('10.96.5.7').chain);
    expect(of('fd00:96::14')).toEqual(of('fd00:96:0:0::99'));
    expect(of('fd00:96::14').chain).not.toBe(of('fd00:96::114').chain);
    const port = (n: number, protocol = 'tcp') => portBranch('nat', 'KUBE-NODEPORTS', protocol, n);
    expect(port(30_016)).toEqual(port(30_079));
    expect(port(30_015).chain).not.toBe(port(30_016).chain);
    expect(port(65_535).entry).toContain('65472:65535');
    expect(port(30_016, 'udp').chain).not.toBe(port(30_016).chain);
    for (const { chain } of [of('255.255.255.255'), of('fd00:96::14'), port(65_535, 'sctp')]) {
      expect(isBranch(chain)).toBe(true);
      expect(chain.length).toBeLessThanOrEqual(28);
    }
    for (const root of ['KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL'] as const)
      expect(addressBranch('filter', root, '255.255.255.255').chain.length).toBeLessThanOrEqual(28);
  });

  test('are not taken for chains of others, nor shared chains for branches', () => {
    for (const chain of [
      'KUBE-SERVICES',
      'KUBE-EXTERNAL-SERVICES',
      'KUBE-NODEPORTS',
      'KUBE-SERVICES-mine',
      'KUBE-SVC-X',
    ])
      expect(isBranch(chain) || isServiceChain(chain)).toBe(false);
    const web = { name: 'default/web', protocol: 'TCP' } as const;
    expect(isServiceChain(endpointChain(web, { ip: '10.0.0.1', port: 80, local: false }))).toBe(true);
  });
});
