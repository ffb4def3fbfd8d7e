import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Node } from '../../../proto/api/core-v1.ts';
import type { AddressedLink, Route } from '../../host/plan/link-facts.ts';
import { tunnelMacOf } from './mac-address.ts';
import { bridgeChanges, linkMtu, podMtu, tunnelChanges } from './link-changes.ts';
import { doOverlap, networkText, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import { nodeFingerprint, peerOf, peersOf, type Peer } from './peers.ts';
import { planPodRoutes, type PodRoute, type Tunnel } from './pod-routes.ts';
import { RangeClaims } from './range-claims.ts';
import { forwardingChanges, neighbourChanges, routeChanges } from './route-changes.ts';

const node = (
  name: string,
  ranges: string[],
  addresses: string[],
  creationTimestamp = '2026-01-01T00:00:00Z',
): Node => ({
  metadata: { name, creationTimestamp },
  spec: ranges.length === 0 ? {} : { podCIDR: ranges[0] ?? '', podCIDRs: ranges },
  status: {
    addresses: [{ type: 'Hostname', address: name }, ...addresses.map(address => ({ type: 'InternalIP', address }))],
  },
});
const peer = (name: string, ranges: string[], addresses: string[]): Peer => ({ name, ranges, addresses });
const self = peer('a', ['10.244.0.0/24', 'fd00:1::/64'], ['192.0.2.1', '2001:db8::1']);

/** A node on 192.0.2.0/24 and 2001:db8::/64 with a router in front of all else. */
const known: Route[] = [
  { dst: 'default', gateway: '192.0.2.254', dev: 'eth0' },
  { dst: '192.0.2.0/24', dev: 'eth0', protocol: 'kernel' },
  { dst: '192.0.2.128/25', gateway: '192.0.2.253', dev: 'eth0' },
  { dst: '198.51.100.7', dev: 'eth1' },
  { dst: '203.0.113.0/24', type: 'unreachable', dev: 'lo' },
  { dst: '203.0.114.0/24', gateway: '192.0.2.9', dev: 'eth0', protocol: '84' },
  { dst: '2001:db8::/64', dev: 'eth0', protocol: 'kernel' },
];

describe('peersOf()', () => {
  test.each([
    { name: 'no other node', nodes: [node('a', ['10.244.0.0/24'], ['192.0.2.1'])], want: [], conflicts: 0 },
    {
      name: 'one without range',
      nodes: [node('c', [], ['192.0.2.3']), node('b', ['10.244.1.0/24'], ['192.0.2.2'])],
      want: ['c:', 'b:10.244.1.0/24'],
      conflicts: 0,
    },
    {
      name: 'two that claim one range: the older has it',
      nodes: [
        node('c', ['10.244.1.0/24'], ['192.0.2.3'], '2026-02-01T00:00:00Z'),
        node('b', ['10.244.1.0/24'], ['192.0.2.2']),
      ],
      want: ['b:10.244.1.0/24', 'c:'],
      conflicts: 1,
    },
    {
      name: 'ranges spelled differently',
      nodes: [node('b', ['fd00:0002::/64'], ['192.0.2.2']), node('c', ['fd00:2:0::/64'], ['192.0.2.3'])],
      want: ['b:fd00:2::/64', 'c:'],
      conflicts: 1,
    },
    {
      name: 'this node’s range, and one that it is a part of',
      nodes: [node('b', ['10.244.0.0/24'], ['192.0.2.2']), node('c', ['10.244.0.0/16'], ['192.0.2.3'])],
      want: ['b:', 'c:'],
      conflicts: 2,
    },
    {
      name: 'ranges with addresses of nodes in them',
      nodes: [node('b', ['0.0.0.0/0'], ['192.0.2.2']), node('c', ['198.51.100.0/24'], ['198.51.100.9'])],
      want: ['b:', 'c:'],
      conflicts: 2,
    },
    {
      name: 'ranges of services, of the machine itself and of everybody',
      nodes: [
        node('b', ['10.96.0.0/16', 'fd00:96::/112'], ['192.0.2.2']),
        node('c', ['127.0.0.0/8', 'fe80::/64'], ['192.0.2.3']),
        node('d', ['10.96.7.0/24', '::/0'], ['192.0.2.4']),
      ],
      want: ['b:', 'c:', 'd:'],
      conflicts: 6,
    },
    {
      name: 'a part of an older node’s range, and a range around it',
      nodes: [
        node('b', ['10.244.8.0/24'], ['192.0.2.2']),
        node('c', ['10.244.8.128/25'], ['192.0.2.3'], '2026-02-01T00:00:00Z'),
        node('d', ['10.244.8.0/23'], ['192.0.2.4'], '2026-02-02T00:00:00Z'),
        node('e', ['10.244.10.0/23'], ['10.244.8.9'], '2026-02-03T00:00:00Z'),
      ],
      want: ['b:10.244.8.0/24', 'c:', 'd:', 'e:10.244.10.0/23'],
      conflicts: 2,
    },
    {
      name: 'a range around an older node’s address, and an address that a younger one puts into a range',
      nodes: [
        node('b', ['10.244.1.0/24'], ['198.51.100.9']),
        node('c', ['198.51.100.8/29'], ['192.0.2.3'], '2026-02-01T00:00:00Z'),
        node('d', ['10.244.2.0/24'], ['10.244.1.7'], '2026-02-02T00:00:00Z'),
      ],
      want: ['b:10.244.1.0/24', 'c:', 'd:10.244.2.0/24'],
      conflicts: 1,
    },
  ])('with $name', ({ nodes, want, conflicts }) => {
    const own = peerOf(node('a', ['10.244.0.0/24'], ['192.0.2.1']));
    const found = peersOf(nodes, own, ['10.96.0.0/16', 'fd00:96::/112']);
    expect([...found.others.map(one => `${one.name}:${one.ranges.join()}`)].sort()).toEqual([...want].sort());
    expect(found.conflicts).toHaveLength(conflicts);
  });

  const network = (families: readonly ('IPv4' | 'IPv6')[]) =>
    fc
      .tuple(fc.constantFrom(...families), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 8 }))
      .map(([family, low, length]) =>
        parseNetwork(family === 'IPv4' ? `10.0.0.${low}/${24 + length}` : `fd00::${low.toString(16)}/${120 + length}`),
      );

  test('of claims the ones are found that overlap', () => {
    fc.assert(
      fc.property(fc.array(network(['IPv4', 'IPv6']), { maxLength: 12 }), network(['IPv4', 'IPv6']), (held, asked) => {
        const claims = new RangeClaims();
        for (const one of held) claims.add(one, networkText(one));
        const holder = claims.holderOf(asked);
        const overlapping = held.filter(one => doOverlap(one, asked)).map(networkText);
        if (holder === undefined) expect(overlapping).toEqual([]);
        else expect(overlapping).toContain(holder);
      }),
    );
  });

  test('what is no address or range harms no other node, and becomes no part of a command', () => {
    const injected = '192.0.2.2\nlink del dev eth0';
    const nodes = [
      node('b', ['10.244.1.0/24', '10.244.0.0', 'x'], [injected, `fe80::\nlink del dev eth0`]),
      node('c', ['10.244.2.0/24'], ['192.0.2.3']),
    ];
    const { others, conflicts } = peersOf(nodes, self, []);
    expect(others).toEqual([peer('b', ['10.244.1.0/24'], []), peer('c', ['10.244.2.0/24'], ['192.0.2.3'])]);
    expect(conflicts).toHaveLength(4);
    expect(conflicts.join('; ')).not.toContain('\n');
  });

  test('nodeFingerprint() changes with ranges and addresses, not with heartbeats', () => {
    const one = node('a', ['10.244.0.0/24'], ['192.0.2.1']);
    const beat: Node = { ...one, status: { ...one.status, conditions: [{ type: 'Ready', status: 'True' }] } };
    expect(nodeFingerprint(beat)).toBe(nodeFingerprint(one));
    expect(nodeFingerprint(node('a', ['10.244.0.0/24'], ['192.0.2.9']))).not.toBe(nodeFingerprint(one));
    expect(nodeFingerprint(node('a', ['10.244.9.0/24'], ['192.0.2.1']))).not.toBe(nodeFingerprint(one));
  });
});

describe('planPodRoutes()', () => {
  const ways = (others: Peer[], mode: 'auto' | 'routes' | 'vxlan', from = self) => {
    const { routes, tunnels, unreachable } = planPodRoutes(from, others, mode, known);
    return {
      routes: routes.map(
        r => `${r.destination} via ${r.via}${r.tunnel === undefined ? '' : ` ${r.tunnel} ${r.source ?? ''}`}`,
      ),
      remotes: tunnels.flatMap(t => t.peers.map(p => `${t.device} ${p.remote}`)),
      unreachable: unreachable.length,
    };
  };
  const overVxlan = '10.244.1.0/24 via 10.244.1.1 k8ts-vxlan 10.244.0.1';

  test.each([
    ['on the same segment', '192.0.2.2', 'auto', '10.244.1.0/24 via 192.0.2.2'],
    ['behind a router', '198.51.100.9', 'auto', overVxlan],
    ['of the segment, yet behind a router', '192.0.2.200', 'auto', overVxlan],
    ['with a route of its own to a link', '198.51.100.7', 'auto', '10.244.1.0/24 via 198.51.100.7'],
    ['that is unreachable', '203.0.113.5', 'auto', overVxlan],
    ['for which only a route of ours is known', '203.0.114.5', 'auto', overVxlan],
    ['on the same segment, forced into tunnels', '192.0.2.2', 'vxlan', overVxlan],
    ['behind a router, forced to routes', '198.51.100.9', 'routes', '10.244.1.0/24 via 198.51.100.9'],
  ] as const)('a node %s', (_, address, mode, want) => {
    expect(ways([peer('b', ['10.244.1.0/24'], [address])], mode).routes).toEqual([want]);
  });

  test('both families of pods go through a tunnel of one', () => {
    const both = peer('b', ['10.244.1.0/24', 'fd00:2::/64'], ['198.51.100.9']);
    expect(ways([both], 'auto')).toEqual({
      routes: [overVxlan, 'fd00:2::/64 via fd00:2::1 k8ts-vxlan fd00:1::1'],
      remotes: ['k8ts-vxlan 198.51.100.9'],
      unreachable: 0,
    });
    const [tunnel] = planPodRoutes(self, [both], 'auto', known).tunnels;
    expect(tunnel).toEqual({
      device: 'k8ts-vxlan',
      local: '192.0.2.1',
      peers: [{ mac: tunnelMacOf('b'), remote: '198.51.100.9', neighbours: ['10.244.1.1', 'fd00:2::1'] }],
    });
  });

  test('an underlay of IPv6 has a device of its own, beside that of IPv4', () => {
    const others = [
      peer('b', ['fd00:2::/64'], ['2001:db8:2::2']),
      peer('c', ['fd00:3::/64'], ['2001:db8::3']),
      peer('d', ['10.244.4.0/24'], ['198.51.100.4']),
    ];
    expect(ways(others, 'auto')).toEqual({
      routes: [
        'fd00:2::/64 via fd00:2::1 k8ts-vxlan6 fd00:1::1',
        'fd00:3::/64 via 2001:db8::3',
        '10.244.4.0/24 via 10.244.4.1 k8ts-vxlan 10.244.0.1',
      ],
      remotes: ['k8ts-vxlan6 2001:db8:2::2', 'k8ts-vxlan 198.51.100.4'],
      unreachable: 0,
    });
  });

  test.each([
    ['without an address', [], 'auto'],
    ['of the other family, with routes alone', ['2001:db8::2'], 'routes'],
  ] as const)('a node %s is told of', (_, addresses, mode) => {
    expect(ways([peer('b', ['10.244.1.0/24'], [...addresses])], mode)).toEqual({
      routes: [],
      remotes: [],
      unreachable: 1,
    });
  });
});

describe('changes', () => {
  const route = (n: number, via: string, tunnel?: string): PodRoute => ({
    destination: `10.244.${n}.0/24`,
    via,
    tunnel,
    source: tunnel === undefined ? undefined : '10.244.0.1',
  });
  const asFound = ({ destination, via, tunnel, source }: PodRoute): Route => ({
    dst: destination,
    gateway: via,
    dev: tunnel ?? 'eth0',
    protocol: '84',
    ...(source === undefined ? {} : { prefsrc: source }),
  });

  test('routeChanges() takes any table to the wanted one, and leaves others’ routes', () => {
    const table = fc.uniqueArray(
      fc.record({
        n: fc.integer({ min: 0, max: 9 }),
        via: fc.constantFrom('192.0.2.1', '192.0.2.2'),
        vxlan: fc.boolean(),
      }),
      { selector: r => r.n },
    );
    const foreign: Route = { dst: '10.244.77.0/24', gateway: '192.0.2.7', dev: 'eth0' };
    fc.assert(
      fc.property(table, table, (a, b) => {
        const [wanted, found] = [a, b].map(rows =>
          rows.map(r => route(r.n, r.via, r.vxlan ? 'k8ts-vxlan' : undefined)),
        );
        const { replace, remove } = routeChanges(wanted ?? [], [...(found ?? []).map(asFound), foreign]);
        const words = (r: PodRoute) => `${r.destination} ${r.via} ${r.tunnel}`;
        const after = new Map((found ?? []).map(r => [r.destination, words(r)]));
        for (const text of remove) expect(after.delete(text.split(' ')[2] ?? '')).toBe(true);
        for (const text of replace) {
          const [, destination = '', via, device] =
            /replace (\S+) via (\S+)(?: dev (\S+) onlink src \S+)? proto 84$/.exec(text) ?? [];
          after.set(destination, `${destination} ${via} ${device}`);
        }
        expect([...after.values()].sort()).toEqual((wanted ?? []).map(words).sort());
        expect(routeChanges(wanted ?? [], (wanted ?? []).map(asFound))).toEqual({ replace: [], remove: [] });
      }),
    );
  });

  test('neighbours and forwarding entries follow peers that come, change and go', () => {
    const tunnel: Tunnel = {
      device: 'v',
      local: '192.0.2.1',
      peers: [
        { mac: '02:00:00:00:00:01', remote: '198.51.100.1', neighbours: ['10.244.1.1', 'fd00:2::1'] },
        { mac: '02:00:00:00:00:02', remote: '198.51.100.2', neighbours: ['10.244.2.1'] },
      ],
    };
    const neighbours = neighbourChanges(tunnel, [
      { dst: '10.244.1.1', lladdr: '02:00:00:00:00:01', state: ['PERMANENT'] },
      { dst: '10.244.2.1', lladdr: '02:00:00:00:00:09', state: ['PERMANENT'] },
      { dst: '10.244.9.1', lladdr: '02:00:00:00:00:09', state: ['PERMANENT'] },
      { dst: 'fe80::1', lladdr: '02:00:00:00:00:09', state: ['STALE'] },
    ]);
    expect(neighbours).toEqual({
      remove: ['neigh del 10.244.9.1 dev v'],
      replace: [
        'neigh replace fd00:2::1 lladdr 02:00:00:00:00:01 dev v nud permanent',
        'neigh replace 10.244.2.1 lladdr 02:00:00:00:00:02 dev v nud permanent',
      ],
    });
    const entries = forwardingChanges(tunnel, [
      { mac: '02:00:00:00:00:01', dst: '198.51.100.9' },
      { mac: '02:00:00:00:00:02', dst: '198.51.100.2' },
      { mac: '02:00:00:00:00:03', dst: '198.51.100.3' },
      { mac: '33:33:00:00:00:01' },
    ]);
    expect(entries).toEqual({
      remove: ['fdb del 02:00:00:00:00:03 dev v dst 198.51.100.3 self'],
      replace: ['fdb replace 02:00:00:00:00:01 dev v dst 198.51.100.1 self permanent'],
    });
  });
});

describe('links', () => {
  const link = (ifname: string, more: Partial<AddressedLink>): AddressedLink => ({
    ifindex: 1,
    ifname,
    flags: ['UP'],
    mtu: 1500,
    operstate: 'UP',
    addr_info: [],
    ...more,
  });
  const address = (local: string, prefixlen: number, scope = 'global') => ({
    family: local.includes(':') ? ('inet6' as const) : ('inet' as const),
    local,
    prefixlen,
    scope,
  });
  const bridge = { name: 'k8ts0', nodeName: 'a', ranges: ['10.244.0.0/24', 'fd00:1::/64'], mtu: 1450 };
  const standing = link('k8ts0', {
    mtu: 1450,
    linkinfo: { info_kind: 'bridge' },
    addr_info: [
      address('10.244.0.1', 24),
      address('fd00:1::1', 64),
      address('fe80::1', 64, 'link'),
      address('fe80::7', 64, 'link'),
    ],
  });

  const routes = bridge.ranges.map(dst => ({ dst, dev: 'k8ts0' }));

  test('bridgeChanges() makes it with its addresses, changes what differs, and nothing that stands', () => {
    expect(bridgeChanges(bridge, [], [])).toEqual([
      expect.stringMatching(/^link add name k8ts0 address 02(:[0-9a-f]{2}){5} mtu 1450 type bridge$/),
      'link set dev k8ts0 addrgenmode none',
      'link set dev k8ts0 up',
      'addr add 10.244.0.1/24 dev k8ts0',
      'addr add fd00:1::1/64 dev k8ts0 nodad',
      'addr add fe80::1/64 dev k8ts0 nodad',
    ]);
    expect(bridgeChanges(bridge, [], [])).toEqual(bridgeChanges(bridge, [], []));
    expect(bridgeChanges(bridge, [standing], routes)).toEqual([]);
    expect(bridgeChanges({ ...bridge, mtu: 1400, ranges: ['10.244.7.0/24'] }, [standing], routes)).toEqual([
      'link set dev k8ts0 mtu 1400',
      'addr del 10.244.0.1/24 dev k8ts0',
      'addr del fd00:1::1/64 dev k8ts0',
      'addr add 10.244.7.1/24 dev k8ts0',
    ]);
    expect(() => bridgeChanges(bridge, [link('k8ts0', {})], [])).toThrow('is no bridge');
  });

  test('bridgeChanges() writes the routes of ranges that somebody flushed, not those that come with the address', () => {
    expect(bridgeChanges(bridge, [standing], [{ dst: '10.244.0.0/24', dev: 'eth0' }])).toEqual([
      'route replace 10.244.0.0/24 dev k8ts0 proto kernel scope link src 10.244.0.1',
      'route replace fd00:1::/64 dev k8ts0 proto kernel metric 256',
    ]);
    const bare = { ...standing, addr_info: [address('fe80::1', 64, 'link')] };
    expect(bridgeChanges(bridge, [bare], [])).toEqual([
      'addr add 10.244.0.1/24 dev k8ts0',
      'addr add fd00:1::1/64 dev k8ts0 nodad',
    ]);
    expect(bridgeChanges(bridge, [{ ...standing, flags: [] }], [])).toEqual(['link set dev k8ts0 up']);
  });

  test('tunnelChanges() makes a device anew whose settings differ', () => {
    const device = {
      name: 'k8ts-vxlan',
      nodeName: 'a',
      ranges: ['10.244.0.0/24'],
      local: '192.0.2.1',
      mtu: 1450,
      vxlanId: 84,
      vxlanPort: 8472,
    };
    const found = link('k8ts-vxlan', {
      mtu: 1450,
      address: tunnelMacOf('a'),
      linkinfo: { info_kind: 'vxlan', info_data: { id: 84, port: 8472, local: '192.0.2.1' } },
      addr_info: [address('10.244.0.1', 32)],
    });
    expect(tunnelChanges(device, [found])).toEqual([]);
    expect(tunnelChanges({ ...device, mtu: 1400 }, [found])).toEqual(['link set dev k8ts-vxlan mtu 1400']);
    for (const other of [{ local: '192.0.2.9' }, { vxlanId: 85 }, { vxlanPort: 4789 }, { nodeName: 'b' }])
      expect(tunnelChanges({ ...device, ...other }, [found]).slice(0, 2)).toEqual([
        'link del dev k8ts-vxlan',
        expect.stringMatching(/^link add name k8ts-vxlan address .* type vxlan id \d+ local .* nolearning$/),
      ]);
  });

  test('the MTU is that of the link with the node’s address, else of the default route’s, less what tunnels need', () => {
    const links = [
      link('lo', { mtu: 65536, addr_info: [address('192.0.2.1', 32)] }),
      link('eth0', { mtu: 9000, addr_info: [address('192.0.2.1', 24)] }),
      link('eth1', { mtu: 1400 }),
    ];
    expect(linkMtu(links, ['192.0.2.1'], 'eth1')).toBe(9000);
    expect(linkMtu(links, ['192.0.2.7'], 'eth1')).toBe(1400);
    expect(linkMtu(links, [], undefined)).toBe(1500);
    expect(podMtu(1500, [])).toBe(1500);
    expect(podMtu(1500, [{ local: '192.0.2.1' }])).toBe(1450);
    expect(podMtu(1500, [{ local: '192.0.2.1' }, { local: '2001:db8::1' }])).toBe(1430);
  });
});
