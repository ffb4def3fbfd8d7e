import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseNetwork } from '../../../machinery/meta/ip-number.ts';
import { renderNft } from '../../node-iptables/plan/nft.ts';
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { NetworkPolicySpec } from '../../../proto/api/networking-v1.ts';
import { isInBlock } from '../testdata/oracle.ts';
import { AddressOwners } from './address-owners.ts';
import { compilePolicy } from './compile-policy.ts';
import { subtractNetworks } from './ip-block.ts';
import { chainRules } from './iptables-rules.ts';
import { nftablesChange, nftablesModel } from './nftables-rules.ts';
import { mergeRanges, planChain } from './pod-chains.ts';
import { podFacts } from './pod-facts.ts';

const pod: Pod = {
  metadata: { namespace: 'one', name: 'a', uid: 'u', labels: { app: 'a' } },
  spec: {
    containers: [
      { name: 'x', ports: [{ name: 'web', containerPort: 8080 }, { containerPort: 9 }] },
      { name: 'y', ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }] },
    ],
    initContainers: [
      { name: 'side', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 15000 }] },
      { name: 'once', ports: [{ name: 'once', containerPort: 1 }] },
    ],
  },
  status: { phase: 'Running', podIPs: [{ ip: '10.244.0.3' }, { ip: 'FD00:0:0::3' }] },
};

const compile = (spec: NetworkPolicySpec, name = 'p') => compilePolicy({ metadata: { namespace: 'one', name }, spec });

describe('podFacts()', () => {
  test('gives addresses in canonical form, and the named ports of what runs on', () => {
    expect(podFacts(pod)).toMatchObject({
      key: 'one/a',
      addresses: ['10.244.0.3', 'fd00::3'],
      ports: [
        { name: 'web', protocol: 'TCP', port: 8080 },
        { name: 'dns', protocol: 'UDP', port: 53 },
        { name: 'side', protocol: 'TCP', port: 15000 },
      ],
    });
  });

  test.each([
    ['is on the host’s network', { ...pod, spec: { ...pod.spec, hostNetwork: true } }, []],
    ['succeeded', { ...pod, status: { ...pod.status, phase: 'Succeeded' } }, []],
    ['failed', { ...pod, status: { ...pod.status, phase: 'Failed' } }, []],
    ['has no address yet', { ...pod, status: { phase: 'Pending' } }, []],
    ['has one that is none', { ...pod, status: { podIP: 'x' } }, []],
    [
      'is about to end',
      { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
      ['10.244.0.3', 'fd00::3'],
    ],
  ])('of a pod that %s', (_, some, want) => {
    expect(podFacts(some as Pod).addresses).toEqual(want);
  });

  test('a static pod and its mirror are one', () => {
    const metadata = { namespace: 'kube-system', name: 's' };
    const own = { ...pod, metadata: { ...metadata, uid: 'h', annotations: { 'kubernetes.io/config.hash': 'h' } } };
    const annotations = { 'kubernetes.io/config.hash': 'h', 'kubernetes.io/config.mirror': 'h' };
    expect(podFacts({ ...pod, metadata: { ...metadata, uid: 'api', annotations } }).uid).toBe(podFacts(own).uid);
  });
});

describe('compilePolicy()', () => {
  test.each<[string, NetworkPolicySpec, boolean, boolean]>([
    ['says nothing', {}, true, false],
    ['has egress rules', { egress: [{}] }, true, true],
    ['has an empty list of egress rules', { egress: [] }, true, false],
    ['names ingress', { policyTypes: ['Ingress'], egress: [{}] }, true, false],
    ['names egress', { policyTypes: ['Egress'] }, false, true],
    ['names both', { policyTypes: ['Ingress', 'Egress'] }, true, true],
  ])('isolates where the policy %s', (_, spec, ingress, egress) => {
    const compiled = compile({ podSelector: {}, ...spec });
    expect([compiled.ingress !== undefined, compiled.egress !== undefined]).toEqual([ingress, egress]);
  });

  test('a rule that cannot be understood lets nothing through and is told; the others hold', () => {
    const compiled = compile({
      podSelector: {},
      ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/99' } }] }, { ports: [{ port: 80 }] }],
    });
    expect(compiled.problems).toEqual([expect.stringMatching(/^spec\.ingress\[0\]: /)]);
    expect(compiled.ingress).toHaveLength(1);
  });
});

describe('subtractNetworks()', () => {
  test.each<[string, string[], string[]]>([
    ['10.0.0.0/8', [], ['10.0.0.0/8']],
    ['10.0.0.7/8', [], ['10.0.0.0/8']],
    ['0.0.0.0/0', [], ['0.0.0.0/1', '128.0.0.0/1']],
    ['::/0', [], ['::/1', '8000::/1']],
    ['10.0.0.0/30', ['10.0.0.1/32'], ['10.0.0.0/32', '10.0.0.2/31']],
    ['10.0.0.0/30', ['10.0.0.0/31', '10.0.0.0/32'], ['10.0.0.2/31']],
    ['10.0.0.0/30', ['10.0.0.0/31', '10.0.0.2/31'], []],
    ['10.0.0.0/30', ['10.9.0.0/16', 'fd00::/8'], ['10.0.0.0/30']],
    ['10.0.0.0/30', ['10.0.0.0/30'], []],
  ])('%s without %j', (cidr, except, want) => {
    expect(subtractNetworks(cidr, except).cidrs).toEqual(want);
  });

  test('keeps just the addresses that no exception covers, in networks that share none', () => {
    const network = fc
      .tuple(fc.nat(255), fc.integer({ min: 24, max: 32 }))
      .map(([n, length]) => `10.0.0.${n}/${length}`);
    fc.assert(
      fc.property(network, fc.array(network, { maxLength: 4 }), (cidr, except) => {
        const { cidrs } = subtractNetworks(cidr, except);
        for (let n = 0; n < 256; n++) {
          const address = `10.0.0.${n}`;
          const want = isInBlock(address, cidr) && !except.some(part => isInBlock(address, part));
          if (cidrs.filter(part => isInBlock(address, part)).length !== (want ? 1 : 0)) throw new Error(address);
        }
        for (const part of cidrs) parseNetwork(part);
      }),
      { numRuns: 50 },
    );
  });
});

test('mergeRanges() makes one of ranges that touch', () => {
  const ranges = [
    { from: 90, to: 95 },
    { from: 80, to: 80 },
    { from: 81, to: 85 },
    { from: 84, to: 84 },
  ];
  expect(mergeRanges(ranges)).toEqual([
    { from: 80, to: 85 },
    { from: 90, to: 95 },
  ]);
});

describe('planChain()', () => {
  const facts = podFacts(pod);

  test.each<[string, NetworkPolicySpec[], 'open' | number]>([
    ['no policy', [], 'open'],
    ['one of the other direction', [{ policyTypes: ['Egress'] }], 'open'],
    ['one without rules', [{}], 0],
    ['one that lets all through', [{ ingress: [{}] }], 'open'],
    ['one without rules and one that lets all through', [{}, { ingress: [{}] }], 'open'],
    ['two that say the same', [{ ingress: [{ ports: [{ port: 80 }] }] }, { ingress: [{ ports: [{ port: 80 }] }] }], 1],
    ['a name that the pod does not have', [{ ingress: [{ ports: [{ port: 'other' }] }] }], 0],
    ['a name of another protocol', [{ ingress: [{ ports: [{ port: 'web', protocol: 'UDP' }] }] }], 0],
    ['a block of the other family', [{ ingress: [{ from: [{ ipBlock: { cidr: 'fd00::/8' } }] }] }], 0],
  ])('of ingress, with %s', (_, specs, want) => {
    const planned = planChain(
      facts,
      'ingress',
      'IPv4',
      specs.map((spec, i) => compile({ podSelector: {}, ...spec }, `p${i}`)),
    );
    expect(planned?.chain.rules.length ?? 'open').toBe(want);
  });

  const specs: NetworkPolicySpec = {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: 'b' } } }, { ipBlock: { cidr: '192.0.2.0/24' } }],
        ports: [{ port: 'web' }, { port: 1, endPort: 9 }, { port: 'dns', protocol: 'UDP' }],
      },
    ],
    egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'web' }] }, { ports: [{ protocol: 'SCTP' }] }],
  };

  test('the same rights are the same chain, whatever they were asked by', () => {
    const nameOf = (spec: NetworkPolicySpec) => planChain(facts, 'ingress', 'IPv4', [compile(spec)])?.chain.name;
    const turned = {
      ...specs,
      ingress: [{ ...specs.ingress?.[0], from: [...(specs.ingress?.[0]?.from ?? [])].reverse() }],
    };
    expect(nameOf(turned)).toBe(nameOf(specs));
    expect(nameOf({ podSelector: {} })).not.toBe(nameOf(specs));
  });

  const texts = (direction: 'ingress' | 'egress') => {
    const planned = planChain(facts, direction, 'IPv4', [compile(specs)]);
    if (planned === undefined) throw new Error('open');
    const { chain } = planned;
    const change = { addSets: [], changeSets: [], removeSets: [], addChains: [chain], removeChains: [], pods: [] };
    const short = (text: string) => text.replace(/[0-9a-f]{16}/g, '#');
    return {
      nft: renderNft('inet', 't', nftablesChange(change))
        .split('\n')
        .map(line => short(line).replace(/^add rule inet t \S+ /, '')),
      iptables: chainRules(chain).map(rule => short(renderRule(rule))),
    };
  };

  test('in both languages: ingress', () => {
    expect(texts('ingress')).toEqual({
      nft: [
        'add chain inet t i4-#',
        ...['b', 'p'].flatMap(set => [
          `ip saddr @${set}4-# tcp dport { 1-9, 8080 } return`,
          `ip saddr @${set}4-# udp dport { 53 } return`,
        ]),
        'counter drop',
        '',
      ],
      iptables: [
        ...['b', 'p'].flatMap(set => [
          `-p tcp -m set --match-set k8ts-pol-${set}4-# src -m tcp --dport 1:9 -j RETURN`,
          `-p tcp -m set --match-set k8ts-pol-${set}4-# src -m tcp --dport 8080 -j RETURN`,
          `-p udp -m set --match-set k8ts-pol-${set}4-# src -m udp --dport 53 -j RETURN`,
        ]),
        '-j DROP',
      ],
    });
  });

  test('in both languages: egress', () => {
    expect(texts('egress')).toEqual({
      nft: [
        'add chain inet t e4-#',
        'ip daddr . meta l4proto . th dport @n4-# return',
        'sctp dport { 1-65535 } return',
        'counter drop',
        '',
      ],
      iptables: [
        '-m set --match-set k8ts-pol-n4-# dst,dst -j RETURN',
        '-p sctp -m sctp --dport 1:65535 -j RETURN',
        '-j DROP',
      ],
    });
  });
});

test('nftablesModel() is the table whole, in place of the one before', () => {
  const text = renderNft(
    'inet',
    't',
    nftablesModel({ chains: [], sets: [], pods: new Map(), answered: ['10.96.0.10'] }),
  );
  expect(text).toMatch(/^add table inet t\ndelete table inet t\nadd table inet t /);
  expect(text).toContain('add element inet t answered4 { 10.96.0.10 }');
});

describe('AddressOwners', () => {
  test('an address belongs to who got it last, and to the one before once that one is gone', () => {
    const owners = new AddressOwners();
    owners.put('old', ['1', '2']);
    expect([...owners.put('new', ['1'])]).toEqual(['1']);
    owners.put('old', ['1', '2']);
    expect([owners.ownerOf('1'), owners.ownerOf('2'), owners.addressesOf('old')]).toEqual(['new', 'old', ['2']]);
    expect([...owners.put('new', ['3'])]).toEqual(['1', '3']);
    expect([owners.ownerOf('1'), owners.addressesOf('new')]).toEqual(['old', ['3']]);
    owners.put('old', []);
    expect(owners.ownerOf('1')).toBeUndefined();
  });
});
