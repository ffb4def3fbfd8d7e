/** Three nodes as network namespaces, a router between them, and pods made by the real CNI plugins. Needs root. */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NAMES, NODES, NetworkLab } from './testdata/network-lab.ts';

async function eventually(what: string, check: () => Promise<boolean>, withinMs = 5_000): Promise<void> {
  for (let i = 0; i < withinMs / 50; i++) {
    if (await check()) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`still not: ${what}`);
}

describe.each(['iptables', 'nftables'] as const)('PodNetwork with %s', filter => {
  const lab = new NetworkLab(`net${process.pid}${filter[0]}`);
  const addresses = new Map<string, string[]>();
  const addressOf = (pod: string, family: 4 | 6 = 4): string => addresses.get(pod)?.[family === 4 ? 0 : 1] ?? '';
  const ready = (name: (typeof NAMES)[number]) =>
    eventually(`${name} ready`, () => Promise.resolve(lab.node(name).network.status().ready));
  const has = (place: string, what: string | RegExp, ...argv: string[]) =>
    eventually(`${place}: ${String(what)}`, async () => (await lab.text(place, ...argv)).search(what) >= 0);

  beforeAll(() => lab.up(filter), 60_000);
  afterAll(() => lab.down(), 30_000);

  test('it is not ready before the node has a range', () => {
    expect(lab.node('a').network.status()).toMatchObject({ ready: false, reason: 'NoPodCIDR' });
  });

  test('pods of one segment and across the router reach each other, by both families', async () => {
    for (const name of NAMES) lab.nodes.set(lab.nodeObject(name));
    for (const name of NAMES) await ready(name);
    for (const name of NAMES) addresses.set(`p${name}`, await lab.addPod(name, `p${name}`));
    expect(NAMES.map(name => addressOf(`p${name}`))).toEqual([
      expect.stringMatching(/^10\.244\.0\./),
      expect.stringMatching(/^10\.244\.1\./),
      expect.stringMatching(/^10\.244\.2\./),
    ]);
    // The nodes' own links are so young that IPv6 still looks for duplicates there.
    for (const from of NAMES)
      for (const to of NAMES)
        for (const family of [4, 6] as const)
          await eventually(`p${to} answers p${from} by IPv${family}`, () =>
            lab.answers(`p${from}`, addressOf(`p${to}`, family)),
          );
    const routes = await lab.text('a', 'ip', 'route', 'show', 'proto', '84');
    expect(routes).toMatch(/10\.244\.1\.0\/24 via 192\.0\.2\.2 dev up0/);
    expect(routes).toMatch(/10\.244\.2\.0\/24 via 10\.244\.2\.1 dev k8ts-vxlan src 10\.244\.0\.1 onlink/);
  }, 30_000);

  test('a pod’s packets fit into the tunnel, and its link had no wait for its address', async () => {
    const [link] = JSON.parse(await lab.text('pa', 'ip', '-j', 'address', 'show', 'eth0')) as {
      mtu: number;
      addr_info: { tentative?: boolean; scope: string }[];
    }[];
    expect(link?.mtu).toBe(1450 - 50);
    expect(link?.addr_info.filter(one => one.scope === 'global' && one.tentative === true)).toEqual([]);
  });

  test('pods are seen by their own address among themselves, by the node’s elsewhere', async () => {
    lab.serve('pc', 8080);
    lab.serve('router', 8080);
    for (const place of ['pc', 'router'])
      await eventually('served', async () => (await lab.seenAs(place, '127.0.0.1', 8080)) !== undefined);
    for (const family of [4, 6] as const)
      expect(await lab.seenAs('pa', addressOf('pc', family), 8080)).toBe(addressOf('pa', family));
    // The node itself is seen by its address on the bridge, through the tunnel.
    expect(await lab.seenAs('a', addressOf('pc'), 8080)).toBe('10.244.0.1');
    expect(await lab.seenAs('pa', '192.0.2.254', 8080)).toBe(NODES.a.addresses[0]);
    expect(await lab.seenAs('pa', '2001:db8:1::254', 8080)).toBe(NODES.a.addresses[1]);
  });

  test('pods and the node reach the addresses that the node answers; other service addresses lead nowhere', async () => {
    for (const from of ['pa', 'a'])
      for (const to of ['10.96.0.10', 'fd00:96::a']) expect(await lab.answers(from, to)).toBe(true);
    expect(await lab.answers('pa', '10.96.7.7')).toBe(false);
    expect(await lab.text('a', 'ip', 'route', 'get', '10.96.7.7')).toMatch(/dev k8ts-svc .*src 192\.0\.2\.1/s);
    expect(await lab.text('a', 'ip', 'route', 'get', 'fd00:96::7')).toMatch(/dev k8ts-svc .*src (?!fd00:96::a)/s);
    // One that another k8ts left, and that this one does not answer, goes.
    await lab.in('a')(['ip', 'address', 'add', '10.96.0.77/32', 'dev', 'k8ts-local']);
    await eventually('taken away', async () => !(await lab.text('a', 'ip', 'address')).includes('10.96.0.77'));
  });

  test('host ports lead to their pods from everywhere, and go with them', async () => {
    const port = (hostPort: number, protocol: string, hostIP = '') => ({
      hostPort,
      containerPort: 80,
      protocol,
      hostIP,
    });
    await lab.addPod('b', 'hp', [
      port(8081, 'tcp'),
      port(8082, 'tcp', '192.0.2.2'),
      port(8083, 'sctp'),
      port(53, 'udp'),
    ]);
    lab.serve('hp', 80);
    await eventually('the port', async () => (await lab.seenAs('pa', '192.0.2.2', 8081)) !== undefined);
    for (const from of ['a', 'pb', 'hp', 'router', 'b'])
      expect([from, await lab.seenAs(from, '192.0.2.2', 8081)]).not.toContain(undefined);
    expect(await lab.seenAs('router', '192.0.2.2', 8081)).toBe('192.0.2.254');
    expect(await lab.seenAs('b', '127.0.0.1', 8081)).toBeDefined();
    expect(await lab.seenAs('router', '192.0.2.2', 8082)).toBe('192.0.2.254');
    expect(await lab.seenAs('b', '127.0.0.1', 8082)).toBeUndefined();
    // As conformance tests ask: by the node's address for a loopback one.
    expect(await lab.seenFrom('b', '192.0.2.2', '127.0.0.1', 8081)).toBeDefined();
    expect(await lab.seenByUdp('router', '192.0.2.2', 53)).toBe('192.0.2.254');
    expect(await lab.seenByUdp('pa', '192.0.2.2', 53)).toBeDefined();
    expect(await lab.seenAs('router', '2001:db8:1::2', 8081)).toBe('2001:db8:1::254');
    // The node's own DNS is not the pod's.
    const dns =
      filter === 'iptables'
        ? await lab.text('b', 'iptables-save', '-t', 'nat')
        : await lab.text('b', 'nft', 'list', 'ruleset');
    expect(dns).toMatch(
      filter === 'iptables'
        ? /! -d 10\.96\.0\.10\/32 .*--dports 53/
        : /ip daddr != 10\.96\.0\.10 fib daddr type local jump/,
    );
    if (filter === 'iptables') return;
    await lab.removePod('b', 'hp');
    await eventually('the port is free', async () => !(await lab.text('b', 'nft', 'list', 'ruleset')).includes('8081'));
  }, 30_000);

  test('what a pod may send and take is held to what its annotations say', async () => {
    const mbit = { ingressRate: 4_000_000, ingressBurst: 400_000, egressRate: 2_000_000, egressBurst: 400_000 };
    await lab.addPod('a', 'slow', [], mbit);
    const limits = [...(await lab.text('a', 'tc', 'qdisc', 'show')).matchAll(/qdisc tbf .* dev (\S+) .*rate (\S+)/g)];
    expect(limits.map(([, device = '', rate]) => `${device.slice(0, 3)} ${rate}`).sort()).toEqual([
      'bwp 2Mbit',
      'vet 4Mbit',
    ]);
  });

  test('chains of others that may drop what is forwarded are told of', async () => {
    await lab.in('a')([
      'nft',
      'add table inet strict; add chain inet strict f { type filter hook forward priority 0; policy drop; }',
    ]);
    const { network } = lab.node('a');
    await eventually(
      'told',
      () => Promise.resolve(network.status().message.includes('chain f of table inet strict')),
      12_000,
    );
    expect(network.status().ready).toBe(true);
    await lab.in('a')(['nft', 'delete', 'table', 'inet', 'strict']);
  }, 30_000);

  test('a second look changes nothing', async () => {
    const rules = async () =>
      filter === 'iptables'
        ? (await lab.text('a', 'iptables-save')).replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '')
        : lab.text('a', 'nft', '-a', 'list', 'ruleset');
    const before = await rules();
    lab.nodes.set({ ...lab.nodeObject('b'), metadata: { name: 'b', labels: { x: 'y' } } });
    lab.nodes.set(lab.nodeObject('b'));
    await new Promise(resolve => setTimeout(resolve, 300));
    expect(await rules()).toBe(before);
  });

  describe('what somebody else takes away is there again at once', () => {
    test.each([
      ['the bridge', 'pa', 'pb', ['ip', 'link', 'del', 'k8ts0']],
      ['a route', 'pa', 'pb', ['ip', 'route', 'del', '10.244.1.0/24']],
      ['the bridge’s routes', 'pa', 'pb', ['ip', 'route', 'flush', 'dev', 'k8ts0']],
      ['the bridge’s routes of IPv6', 'pa', 'pb', ['ip', '-6', 'route', 'flush', 'dev', 'k8ts0', 'proto', 'kernel']],
      ['all routes of ours', 'pa', 'pc', ['ip', 'route', 'flush', 'proto', '84']],
      ['the tunnel', 'pa', 'pc', ['ip', 'link', 'del', 'k8ts-vxlan']],
      ['forwarding', 'pa', 'pb', ['sysctl', '-qw', 'net.ipv4.ip_forward=0']],
      ['the bridge’s addresses', 'pa', 'pc', ['ip', 'address', 'flush', 'dev', 'k8ts0']],
    ])('%s', async (_, from, to, argv) => {
      expect(await lab.answers(from, addressOf(to))).toBe(true);
      await lab.in('a')(argv);
      await eventually('mended', () => lab.answers(from, addressOf(to)));
      await eventually('mended for IPv6', () => lab.answers(from, addressOf(to, 6)));
      expect(lab.node('a').network.status().ready).toBe(true);
    });

    test('the service range and IPv6 forwarding', async () => {
      await lab.in('a')(['ip', 'link', 'del', 'k8ts-svc']);
      await lab.in('a')(['ip', 'link', 'del', 'k8ts-local']);
      await lab.in('a')(['sysctl', '-qw', 'net.ipv6.conf.all.forwarding=0']);
      await eventually('answered', () => lab.answers('pa', '10.96.0.10'));
      await has('a', /dev k8ts-svc/, 'ip', 'route', 'get', '10.96.7.7');
      await eventually('forwarded', () => lab.answers('pa', addressOf('pb', 6)));
    });

    test('rules', async () => {
      const list = () =>
        filter === 'iptables' ? lab.text('a', 'iptables-save') : lab.text('a', 'nft', 'list', 'ruleset');
      const [first, second] = [/K8TS-POSTROUTING/, /what leaves the cluster/];
      expect(await list()).toMatch(second);
      await lab.in('a')(filter === 'iptables' ? ['iptables', '-t', 'nat', '-F'] : ['nft', 'flush', 'ruleset']);
      expect(await list()).not.toMatch(second);
      // Looked at no more often than every ten seconds, since the proxy changes rules all the time.
      await eventually(
        'there',
        async () => second.test(await list()) && first.test(await list()) === (filter === 'iptables'),
        12_000,
      );
      await eventually(
        'masqueraded',
        async () => (await lab.seenAs('pa', '192.0.2.254', 8080)) === NODES.a.addresses[0],
      );
    }, 30_000);

    test('the configuration of CNI', async () => {
      const file = path.join(lab.node('a').confDir, '10-k8ts.conflist');
      await rm(file);
      await eventually('there', () =>
        readFile(file).then(
          () => true,
          () => false,
        ),
      );
    });
  });

  test('pods follow the MTU of the node’s link', async () => {
    await lab.in('a')(['ip', 'link', 'set', 'up0', 'mtu', '1400']);
    await has('pa', 'mtu 1350', 'ip', 'link', 'show', 'eth0');
    await has('a', 'mtu 1350', 'ip', 'link', 'show', 'k8ts-vxlan');
    const config = path.join(lab.node('a').confDir, '10-k8ts.conflist');
    await eventually('configured', async () => (await readFile(config, 'utf8')).includes('"mtu": 1350'));
    await lab.in('a')(['ip', 'link', 'set', 'up0', 'mtu', '1450']);
    await has('pa', 'mtu 1400', 'ip', 'link', 'show', 'eth0');
  });

  test('a node whose range changes is followed, and gives its pods addresses of the new one', async () => {
    const ranges = ['10.244.9.0/24', 'fd00:10:0:9::/64'];
    lab.nodes.set(lab.nodeObject('b', { ranges }));
    await has('a', '10.244.9.0/24 via 192.0.2.2', 'ip', 'route');
    await eventually('configured', async () =>
      (await readFile(path.join(lab.node('b').confDir, '10-k8ts.conflist'), 'utf8')).includes('10.244.9.0/24'),
    );
    const [four = '', six = ''] = await lab.addPod('b', 'moved');
    expect([four, six]).toEqual([expect.stringMatching(/^10\.244\.9\./), expect.stringMatching(/^fd00:10:0:9::/)]);
    for (const to of [four, six]) await eventually('reached', () => lab.answers('pa', to));
    expect(await lab.text('a', 'ip', 'route')).not.toContain('10.244.1.0/24');
    // Two nodes that claim one range: the older has it, and the other one is told of.
    lab.nodes.set({
      ...lab.nodeObject('c', { ranges }),
      metadata: { name: 'c', creationTimestamp: '2026-01-02T00:00:00Z' },
    });
    await eventually('told', () =>
      Promise.resolve(lab.node('a').network.status().message.includes('overlaps the range 10.244.9.0/24 of node b')),
    );
    expect(await lab.text('a', 'ip', 'route')).toContain('10.244.9.0/24 via 192.0.2.2');
    lab.nodes.set(lab.nodeObject('b'));
    lab.nodes.set(lab.nodeObject('c'));
    await has('a', '10.244.2.0/24', 'ip', 'route');
  });

  test('a node whose address changes is followed, and one that leaves takes all along', async () => {
    await lab.in('c')(['ip', 'address', 'del', '198.51.100.3/24', 'dev', 'up0']);
    await lab.in('c')(['ip', 'address', 'add', '198.51.100.33/24', 'dev', 'up0']);
    await lab.in('c')(['ip', 'route', 'replace', 'default', 'via', '198.51.100.254']);
    lab.nodes.set(lab.nodeObject('c', { addresses: ['198.51.100.33', NODES.c.addresses[1]] }));
    await has('a', 'dst 198.51.100.33', 'bridge', 'fdb', 'show', 'dev', 'k8ts-vxlan');
    await eventually('reached', () => lab.answers('pa', addressOf('pc')));
    lab.nodes.remove(lab.nodeObject('c'));
    const hasNot = (place: string, what: string, ...argv: string[]) =>
      eventually(`${place} without ${what}`, async () => !(await lab.text(place, ...argv)).includes(what));
    await hasNot('a', '10.244.2.', 'ip', 'route');
    await hasNot('a', 'fd00:10:0:3::', 'ip', '-6', 'route');
    await hasNot('a', 'k8ts-vxlan', 'ip', 'link');
    await hasNot('b', '10.244.2.1', 'ip', 'neigh');
  });

  test('another network’s configuration is left alone', async () => {
    const { confDir, network } = lab.node('b');
    const file = path.join(confDir, '05-other.conflist');
    await writeFile(file, '{}');
    await eventually('given way', () => Promise.resolve(network.status().reason === 'OtherNetwork'));
    expect(await readdir(confDir)).toEqual(['05-other.conflist']);
    await rm(file);
    await eventually('taken over', async () => (await readdir(confDir)).includes('10-k8ts.conflist'));
  });

  test('cleanup() leaves nothing', async () => {
    await lab.stopAll();
    for (const name of NAMES) {
      const { network } = lab.node(name);
      expect(await network.cleanup()).toContain('rules of the pod network');
      for (const command of ['iptables-save', 'ip6tables-save'])
        expect(await lab.text(name, command)).not.toMatch(/K8TS|CNI-(DN|HOSTPORT)/);
      expect(await lab.text(name, 'nft', 'list', 'tables')).not.toContain('k8ts');
      expect(await lab.text(name, 'ip', 'link')).not.toContain('k8ts');
      expect(await lab.text(name, 'ip', 'route', 'show', 'proto', '84')).toBe('');
      expect(await lab.text(name, 'ip', '-6', 'route', 'show', 'proto', '84')).toBe('');
      expect(await network.cleanup()).toEqual([]);
    }
  }, 30_000);
});

describe('PodNetwork of IPv6 alone, with tunnels only', () => {
  const lab = new NetworkLab(`net${process.pid}v`, [6]);
  beforeAll(() => lab.up('nftables', 'vxlan'), 60_000);
  afterAll(() => lab.down(), 30_000);

  test('pods reach each other, and nothing of IPv4 is made', async () => {
    for (const name of NAMES) lab.nodes.set(lab.nodeObject(name));
    for (const name of NAMES)
      await eventually(`${name} ready`, () => Promise.resolve(lab.node(name).network.status().ready));
    const pods = new Map<string, string>();
    for (const name of NAMES) pods.set(`p${name}`, (await lab.addPod(name, `p${name}`))[0] ?? '');
    // At once: no address is still looked at for duplicates.
    for (const name of NAMES) {
      const tentative = await lab.text(name, 'ip', '-6', 'address', 'show', 'dev', 'k8ts0', 'tentative');
      expect(tentative).toBe('');
    }
    for (const from of pods.keys())
      for (const [to, address] of pods) await eventually(`${to} answers ${from}`, () => lab.answers(from, address));
    expect(await lab.text('a', 'ip', 'link')).toMatch(/k8ts-vxlan6/);
    expect(await lab.text('a', 'ip', '-d', 'link', 'show', 'k8ts-vxlan6')).toContain('local 2001:db8:1::1');
    expect(await lab.text('pa', 'ip', 'link', 'show', 'eth0')).toContain(`mtu ${1450 - 70}`);
    expect(await lab.text('a', 'nft', 'list', 'ruleset')).not.toContain('table ip k8ts');
    expect(await lab.text('a', 'ip', '-4', 'route', 'show', 'proto', '84')).toBe('');
  }, 30_000);
});
