import { describe, expect, test } from '@jest/globals';
import { isCacheFileOf, readAttachment } from './attachment.ts';
import { foreignConfigs, renderCniConfig } from './cni-config.ts';
import { isRelevant } from './link-event.ts';

const options = {
  podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'],
  bridge: 'k8ts0',
  mtu: 1400,
  ipamDir: '/x',
  portmap: true,
  localServiceIPs: ['10.96.0.10'],
};

describe('renderCniConfig()', () => {
  const pluginsOf = (text: string) => (JSON.parse(text) as { plugins: { ipam?: unknown; type: string }[] }).plugins;

  test('gives each family a range and a default route', () => {
    const plugins = pluginsOf(renderCniConfig(options));
    expect(plugins.map(p => p.type)).toEqual(['bridge', 'portmap', 'bandwidth']);
    expect(plugins[0]?.ipam).toEqual({
      type: 'host-local',
      dataDir: '/x',
      ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:1::/64' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    });
    expect(plugins[1]).toMatchObject({ conditionsV4: ['!', '-d', '10.96.0.10/32'] });
    expect(pluginsOf(renderCniConfig({ ...options, portmap: false })).map(p => p.type)).toEqual([
      'bridge',
      'bandwidth',
    ]);
  });

  test('foreignConfigs() sees what a runtime would read', () => {
    expect(foreignConfigs(['10-k8ts.conflist', '05-other.conf', 'notes.txt', '20-b.conflist'])).toEqual([
      '05-other.conf',
      '20-b.conflist',
    ]);
  });
});

describe('readAttachment()', () => {
  const entry = (more: object = {}) =>
    JSON.stringify({
      kind: 'cniCacheV1',
      containerId: 'c1',
      ifName: 'eth0',
      networkName: 'k8ts',
      config: Buffer.from(renderCniConfig(options)).toString('base64'),
      capabilityArgs: {
        portMappings: [
          { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' },
          { HostPort: 53, ContainerPort: 53, Protocol: 'UDP', HostIP: '0.0.0.0' },
          { hostPort: 0, containerPort: 1, protocol: 'tcp' },
        ],
      },
      result: {
        interfaces: [{ name: 'k8ts0' }, { name: 'veth1' }, { name: 'eth0', sandbox: '/run/netns/cni-1' }],
        ips: [
          { address: '10.244.1.5/24', interface: 2 },
          { address: 'fd00:1::5/64', interface: 2 },
        ],
      },
      ...more,
    });

  test('reads what libcni remembers', () => {
    expect(readAttachment(entry(), '/x')).toEqual({
      containerId: 'c1',
      interfaceName: 'eth0',
      hostLink: 'veth1',
      namespacePath: '/run/netns/cni-1',
      addresses: ['10.244.1.5', 'fd00:1::5'],
      hostPorts: [
        { protocol: 'tcp', hostPort: 8080, containerPort: 80, hostIP: '' },
        { protocol: 'udp', hostPort: 53, containerPort: 53, hostIP: '' },
      ],
    });
    expect(readAttachment(entry({ capabilityArgs: null }), '/x')?.hostPorts).toEqual([]);
  });

  test.each([
    { config: 5 },
    { ifName: {} },
    { result: 'x' },
    { result: { interfaces: 5 } },
    { result: { interfaces: [null, 1] } },
    { result: null, capabilityArgs: { portMappings: 'x' } },
  ])('of a damaged file (%j) nothing is known', damage => {
    expect(readAttachment(entry(damage), '/x')).toBeUndefined();
  });

  test.each([
    ['of another node of this machine', entry(), '/y'],
    ['half written', entry().slice(0, 200), '/x'],
    ['no object', '7', '/x'],
    ['without a link', entry({ result: { interfaces: [] } }), '/x'],
  ])('%s is none', (_, text, ipamDir) => {
    expect(readAttachment(text, ipamDir)).toBeUndefined();
  });

  test('isCacheFileOf() knows files by their network', () => {
    expect(isCacheFileOf('k8ts', 'k8ts-c1-eth0')).toBe(true);
    expect(isCacheFileOf('k8ts', 'cni-loopback-c1-lo')).toBe(false);
  });
});

describe('isRelevant()', () => {
  const own = new Set(['k8ts0', 'k8ts-svc', 'k8ts-vxlan', 'eth0']);
  test.each([
    ['Deleted 6: k8ts0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default', true],
    ['2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP group default', true],
    ['Deleted 6: k8ts0    inet 10.244.0.1/24 brd 10.244.0.255 scope global k8ts0', true],
    ['7: veth33dae247@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc tbf master k8ts0 state UP', false],
    ['Deleted 7: veth33dae247@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 master k8ts0 state UP', false],
    ['Deleted 10.244.1.0/24 via 192.0.2.2 dev eth0 proto 84 ', true],
    ['10.244.1.0/24 via 192.0.2.2 dev eth0 proto 84 ', false],
    ['198.51.100.0/24 dev eth1 proto kernel scope link src 198.51.100.1 ', true],
    ['default via 192.0.2.254 dev eth0 ', true],
    ['fe80::/64 dev veth33dae247 proto kernel metric 256 pref medium', false],
    ['fe80::/64 dev eth0 proto kernel metric 256 pref medium', false],
    ['Deleted fe80::/64 dev x7 proto kernel metric 256 pref medium', false],
    ['multicast ff00::/8 dev veth33dae247 table local proto kernel metric 256 pref medium', false],
    ['Deleted anycast fe80:: dev veth33dae247 table local proto kernel metric 0 pref medium', false],
    ['local 10.244.0.1 dev k8ts0 table local proto kernel scope host src 10.244.0.1 ', false],
    ['inet all forwarding off ', true],
    ['inet6 all forwarding off ', true],
    ['inet6 veth33dae247 forwarding off mc_forwarding off', false],
    ['inet all forwarding on ', false],
    ['Deleted inet veth39d856e3 ', false],
    ['Deleted inet6 veth39d856e3 ', false],
    ['', false],
  ])('%j: %s', (line, want) => {
    expect(isRelevant(line, own)).toBe(want);
  });
});
