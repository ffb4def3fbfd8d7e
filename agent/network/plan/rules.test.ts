import { describe, expect, test } from '@jest/globals';
import { parseSave } from '../../node-iptables/plan/parse-save.ts';
import { renderNftChanges } from '../../node-iptables/plan/nft.ts';
import { isEmptyChange, renderRestore } from '../../node-iptables/plan/restore.ts';
import type { Attachment } from './attachment.ts';
import { iptablesRuleChanges, iptablesRuleCleanup } from './iptables-rules.ts';
import { nftablesRules } from './nftables-rules.ts';
import { ruleModels, type RuleModel } from './rule-model.ts';

const attachment: Attachment = {
  containerId: 'c',
  interfaceName: 'eth0',
  hostLink: 'veth1',
  namespacePath: '/n',
  addresses: ['10.244.0.5', 'fd00:1::5'],
  hostPorts: [
    { protocol: 'tcp', hostPort: 8080, containerPort: 80, hostIP: '' },
    { protocol: 'udp', hostPort: 53, containerPort: 5353, hostIP: '192.0.2.1' },
  ],
};
const models = ruleModels({
  clusterCIDRs: ['10.244.0.0/16', 'fd00::/48'],
  podCIDRs: ['10.244.0.0/24', 'fd00:1::/64'],
  localServiceIPs: ['10.96.0.10', 'fd00:96::a'],
  attachments: [attachment],
});
const [four, six] = models as [RuleModel, RuleModel];

describe('ruleModels()', () => {
  test('takes the families apart; a host port of one address is of its family alone', () => {
    expect(four).toMatchObject({
      clusterCIDRs: ['10.244.0.0/16'],
      podCIDR: '10.244.0.0/24',
      localServiceIPs: ['10.96.0.10'],
    });
    expect(six).toMatchObject({ clusterCIDRs: ['fd00::/48'], podCIDR: 'fd00:1::/64', localServiceIPs: ['fd00:96::a'] });
    expect(models.map(m => m.hostPorts.map(p => `${p.hostIP}:${p.hostPort}->${p.podIP}`))).toEqual([
      [':8080->10.244.0.5', '192.0.2.1:53->10.244.0.5'],
      [':8080->fd00:1::5'],
    ]);
  });
});

describe('rules of iptables', () => {
  const fresh = parseSave(
    '*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n',
  );

  test.each([
    ['IPv4', four, '-s 10.244.0.0/24', '-d 10.96.0.10/32', '-d 224.0.0.0/4'],
    ['IPv6', six, '-s fd00:1::/64', '-d fd00:96::a/128', '-d ff00::/8'],
  ] as const)('of %s are written once, and not again when they stand', (_, model, from, service, multicast) => {
    const text = renderRestore(iptablesRuleChanges(fresh, model), model.family);
    expect(text).toContain(
      `-A K8TS-POSTROUTING ${from} -m comment --comment "k8ts what leaves the cluster" -j MASQUERADE --random-fully`,
    );
    expect(text).toContain(`-A K8TS-INPUT ${service} `);
    expect(text).toContain(`-A K8TS-POSTROUTING ${multicast} `);
    const standing = parseSave(
      text
        .replace(/^-I (\S+) 1 /gm, '-A $1 ')
        .replace(/^\*nat$/m, '*nat\n:POSTROUTING ACCEPT [0:0]')
        .replace(/^\*filter$/m, '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]'),
    );
    expect(iptablesRuleChanges(standing, model).every(isEmptyChange)).toBe(true);
    const gone = [['K8TS-POSTROUTING'], ['K8TS-FORWARD', 'K8TS-INPUT']];
    expect(iptablesRuleCleanup(standing).map(c => c.deleteChains)).toEqual(gone);
    const none = { ...model, clusterCIDRs: [], podCIDR: undefined };
    expect(iptablesRuleChanges(standing, none).map(c => c.deleteChains)).toEqual(gone);
  });

  test('iptablesRuleCleanup() takes portmap’s chains and our pods’ ports along, others’ stay', () => {
    const port = (network: string, id: string) =>
      `-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"${network}\\" id: \\"${id}\\"" -m multiport --dports 80 -j CNI-DN-${id}\n`;
    const nat = (...ports: string[]) =>
      parseSave(
        `*nat\n:PREROUTING ACCEPT [0:0]\n:CNI-DN-1 - [0:0]\n${ports.length > 1 ? ':CNI-DN-2 - [0:0]\n' : ''}:CNI-HOSTPORT-DNAT - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n${ports.join('')}COMMIT\n`,
      );
    const [all] = iptablesRuleCleanup(nat(port('k8ts', '1'))).filter(c => !isEmptyChange(c));
    expect([all?.remove?.length, all?.deleteChains]).toEqual([1, ['CNI-HOSTPORT-DNAT', 'CNI-DN-1']]);
    const [some] = iptablesRuleCleanup(nat(port('k8ts', '1'), port('other', '2'))).filter(c => !isEmptyChange(c));
    expect([some?.remove?.length, some?.deleteChains]).toEqual([1, ['CNI-DN-1']]);
  });

  test('iptablesRuleCleanup() takes nothing where nothing is', () => {
    expect(iptablesRuleCleanup(fresh).every(isEmptyChange)).toBe(true);
  });
});

describe('rules of nftables', () => {
  test('masquerade what leaves the cluster and lead host ports to their pods, those of one address first', () => {
    const text = renderNftChanges([nftablesRules(four)]);
    expect(text).toContain('ip saddr 10.244.0.0/24 ip daddr != { 10.244.0.0/16, 224.0.0.0/4 } masquerade fully-random');
    expect(text).toContain('ip daddr != { 10.96.0.10 } fib daddr type local jump host-ports');
    const targets = text.split('\n').filter(line => line.includes('dnat to'));
    expect(targets.map(line => line.replace(/^.*host-ports /, ''))).toEqual([
      'ip daddr 192.0.2.1 udp dport 53 dnat to 10.244.0.5:5353',
      'tcp dport 8080 dnat to 10.244.0.5:80',
    ]);
    expect(renderNftChanges([nftablesRules(six)])).toContain('tcp dport 8080 dnat to [fd00:1::5]:80');
  });

  test('of a family that the cluster has not, there is no table', () => {
    const none = nftablesRules({
      family: 'ipv6',
      clusterCIDRs: [],
      podCIDR: undefined,
      localServiceIPs: [],
      hostPorts: [],
    });
    expect(none.commands).toEqual([{ kind: 'removeTable' }]);
  });
});
