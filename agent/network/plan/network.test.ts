import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseSave } from '../../node-iptables/plan/parse-save.ts';
import { isEmptyChange, renderRestore } from '../../node-iptables/plan/restore.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { foreignConfigs, renderCniConfig } from './cni-config.ts';
import { networkRuleChanges, networkRuleCleanup } from './network-rules.ts';
import { computeNodeRoutes, diffRoutes, nodeFingerprint } from './node-routes.ts';

const node = (
  name: string,
  podCIDR: string | undefined,
  ip?: string,
  creationTimestamp = '2026-01-01T00:00:00Z',
): Node => ({
  metadata: { name, creationTimestamp },
  spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs: [podCIDR] },
  status: {
    addresses:
      ip === undefined
        ? []
        : [
            { type: 'Hostname', address: name },
            { type: 'InternalIP', address: ip },
          ],
  },
});

describe('computeNodeRoutes()', () => {
  test.each([
    { name: 'no other node', nodes: [node('a', '10.244.0.0/24', '192.0.2.1')], want: [] },
    {
      name: 'one with range and address, one without each',
      nodes: [
        node('a', '10.244.0.0/24', '192.0.2.1'),
        node('b', '10.244.1.0/24', '192.0.2.2'),
        node('c', undefined, '192.0.2.3'),
        node('d', '10.244.3.0/24'),
      ],
      want: [{ destination: '10.244.1.0/24', via: '192.0.2.2' }],
    },
    {
      name: 'two that claim one range',
      nodes: [
        node('c', '10.244.1.0/24', '192.0.2.3', '2026-02-01T00:00:00Z'),
        node('b', '10.244.1.0/24', '192.0.2.2'),
        node('e', '10.244.0.0/24', '192.0.2.4'),
        node('a', '10.244.0.0/24', '192.0.2.1'),
      ],
      want: [{ destination: '10.244.1.0/24', via: '192.0.2.2' }],
    },
  ])('with $name', ({ nodes, want }) => {
    expect(computeNodeRoutes(nodes, 'a')).toEqual(want);
  });

  test('nodeFingerprint() changes with ranges and addresses, not with heartbeats', () => {
    const one = node('a', '10.244.0.0/24', '192.0.2.1');
    const beat: Node = { ...one, status: { ...one.status, conditions: [{ type: 'Ready', status: 'True' }] } };
    expect(nodeFingerprint(beat)).toBe(nodeFingerprint(one));
    expect(nodeFingerprint(node('a', '10.244.0.0/24', '192.0.2.9'))).not.toBe(nodeFingerprint(one));
  });

  test('diffRoutes() takes any table to the wanted one', () => {
    const table = fc.uniqueArray(
      fc.record({
        destination: fc.integer({ min: 0, max: 9 }).map(n => `10.244.${n}.0/24`),
        via: fc.constantFrom('192.0.2.1', '192.0.2.2'),
      }),
      { selector: r => r.destination },
    );
    fc.assert(
      fc.property(table, table, (wanted, found) => {
        const { replace, remove } = diffRoutes(wanted, found);
        const after = new Map<string, string>(found.map(r => [r.destination, r.via]));
        for (const r of remove) expect(after.delete(r.destination)).toBe(true);
        for (const r of replace) after.set(r.destination, r.via ?? '');
        expect([...after].sort()).toEqual(wanted.map(r => [r.destination, r.via]).sort());
        expect(diffRoutes(wanted, wanted)).toEqual({ replace: [], remove: [] });
      }),
    );
  });
});

describe('renderCniConfig()', () => {
  test('gives each family a range and a default route', () => {
    const config = JSON.parse(
      renderCniConfig({ podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'], bridge: 'k8ts0', mtu: 1400, ipamDir: '/x' }),
    ) as { plugins: { ipam?: unknown; type: string }[] };
    expect(config.plugins.map(p => p.type)).toEqual(['bridge', 'portmap']);
    expect(config.plugins[0]?.ipam).toEqual({
      type: 'host-local',
      dataDir: '/x',
      ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:1::/64' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    });
  });

  test('foreignConfigs() sees what a runtime would read', () => {
    expect(foreignConfigs(['10-k8ts.conflist', '05-other.conf', 'notes.txt', '20-b.conflist'])).toEqual([
      '05-other.conf',
      '20-b.conflist',
    ]);
  });
});

describe('network rules', () => {
  const options = { clusterCIDR: '10.244.0.0/16', podCIDR: '10.244.0.0/24', localServiceIPs: ['10.96.0.10'] };
  const fresh = parseSave(
    '*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n',
  );

  test('are written once, and not again when they stand', () => {
    const text = renderRestore(networkRuleChanges(fresh, options));
    expect(text).toContain(
      '-A K8TS-POSTROUTING -s 10.244.0.0/24 -m comment --comment "k8ts what leaves the cluster" -j MASQUERADE --random-fully',
    );
    const standing = parseSave(
      text
        .replace(/^-I (\S+) 1 /gm, '-A $1 ')
        .replace(/^\*nat$/m, '*nat\n:POSTROUTING ACCEPT [0:0]')
        .replace(/^\*filter$/m, '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]'),
    );
    expect(networkRuleChanges(standing, options).every(isEmptyChange)).toBe(true);
    expect(networkRuleCleanup(standing).map(c => c.deleteChains)).toEqual([
      ['K8TS-POSTROUTING'],
      ['K8TS-FORWARD', 'K8TS-INPUT'],
    ]);
  });

  test('networkRuleCleanup() takes portmap’s chains along, unless a host port is left', () => {
    const nat =
      '*nat\n:PREROUTING ACCEPT [0:0]\n:CNI-HOSTPORT-DNAT - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n';
    const [change] = networkRuleCleanup(parseSave(`${nat}COMMIT\n`)).filter(c => !isEmptyChange(c));
    expect([change?.remove?.length, change?.deleteChains]).toEqual([1, ['CNI-HOSTPORT-DNAT']]);
    const used = parseSave(nat.replace(':CNI-', ':CNI-DN-1 - [0:0]\n:CNI-') + 'COMMIT\n');
    expect(networkRuleCleanup(used).every(isEmptyChange)).toBe(true);
  });

  test('networkRuleCleanup() takes nothing where nothing is', () => {
    expect(networkRuleCleanup(fresh).every(isEmptyChange)).toBe(true);
  });
});
