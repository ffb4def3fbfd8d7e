/** What only the iptables back end has to withstand, against the real commands in network namespaces of its own. Needs root. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Iptables } from '../node-iptables/index.ts';
import { PROXY_TABLES } from './plan/iptables-base.ts';
import { isOurs } from './plan/iptables-kernel.ts';
import { Lab } from './testdata/lab.ts';
import { backendOf, chainsLike, dump, everything, gone, update } from './testdata/iptables-services.ts';

const NAMESPACE = `iptables-backend-${process.pid}`;
const inNamespace = ['nsenter', `--net=/run/netns/${NAMESPACE}`];

beforeAll(() => void execFileSync('ip', ['netns', 'add', NAMESPACE]));
afterAll(() => void execFileSync('ip', ['netns', 'del', NAMESPACE]));

/** Lines that are not ours. */
function foreign(lines: readonly string[]): string[] {
  let table: (typeof PROXY_TABLES)[number] | undefined;
  return lines.filter(line => {
    if (line.startsWith('*')) table = PROXY_TABLES.find(name => `*${name}` === line);
    const chain = /^(?::|-A )(\S+)/.exec(line)?.[1] ?? '';
    const target = / -j (\S+)/.exec(line)?.[1] ?? '';
    return table === undefined || !(isOurs(table, chain) || isOurs(table, target));
  });
}

describe.each([
  { variant: 'nft', family: 'ipv4' },
  { variant: 'nft', family: 'ipv6' },
  { variant: 'legacy', family: 'ipv4' },
  { variant: 'legacy', family: 'ipv6' },
] as const)('iptables-$variant $family', ({ variant, family }) => {
  const iptables = new Iptables({ variant, family, prefix: inNamespace });
  const command = (...argv: string[]): void =>
    void execFileSync('nsenter', [
      ...inNamespace.slice(1),
      `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}`,
      ...argv,
    ]);

  test('touches nothing of others, byte for byte, from its first write to its leaving', async () => {
    const address = family === 'ipv4' ? '203.0.113.9/32' : '2001:db8::99/128';
    await iptables.restore(
      [
        '*nat',
        ':DOCKER - [0:0]',
        ':KUBE-KUBELET-CANARY - [0:0]',
        `-A PREROUTING -d ${address} -j DOCKER`,
        `-A POSTROUTING -s ${address} -m comment --comment "a \\"quoted\\" one" -j MASQUERADE`,
        '-A DOCKER -j RETURN',
        'COMMIT',
        '*filter',
        ':KUBE-SERVICES-of-others - [0:0]',
        `-A FORWARD -d ${address} -j KUBE-SERVICES-of-others`,
        '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT',
        '-P FORWARD DROP',
        'COMMIT',
        '*mangle',
        '-A OUTPUT -p udp -j MARK --set-xmark 0x1/0x1',
        'COMMIT',
        '',
      ].join('\n'),
    );
    const before = dump(NAMESPACE, variant, family);
    const backend = backendOf(iptables);
    await backend.replaceAll([everything(1, family), update(2, [], {}, family)]);
    expect(foreign(dump(NAMESPACE, variant, family))).toEqual(before);
    await backend.update([gone(1), everything(3, family), update(2, [1, 2, 3], {}, family)]);
    command('-t', 'nat', '-F', 'KUBE-SERVICES');
    expect(await backend.hasDrifted()).toBe(true);
    await backend.replaceAll([everything(3, family)]);
    expect(foreign(dump(NAMESPACE, variant, family))).toEqual(before);
    expect(await backend.cleanup()).toBe(true);
    expect(dump(NAMESPACE, variant, family)).toEqual(before);
    expect(await backend.cleanup()).toBe(false);
    for (const table of ['nat', 'filter', 'mangle']) command('-t', table, '-F');
    command('-P', 'FORWARD', 'ACCEPT');
  });

  test('hasDrifted() notices what others do to its rules, and nothing else', async () => {
    const backend = backendOf(iptables);
    const services = [
      update(1, [1, 2], {}, family),
      update(300, [3], { affinitySeconds: 60 }, family),
      update(2, [], {}, family),
    ];
    await backend.replaceAll(services);
    const early = execFileSync('nsenter', [
      ...inNamespace.slice(1),
      `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}-save`,
    ]);
    await backend.update([update(4, [4], {}, family)]);
    services.push(update(4, [4], {}, family));
    expect(await backend.hasDrifted()).toBe(false);
    command('-t', 'nat', '-I', 'PREROUTING', '-j', 'RETURN');
    command('-t', 'nat', '-Z');
    expect(await backend.hasDrifted()).toBe(false);
    command('-t', 'nat', '-D', 'PREROUTING', '-j', 'RETURN');
    const right = dump(NAMESPACE, variant, family);

    const nameOf = (pattern: RegExp): string => chainsLike(right, pattern)[0]?.slice(1).split(' ')[0] ?? '';
    const mischief: [string, () => void][] = [
      ['a flush of a table', () => command('-t', 'nat', '-F')],
      ['a flush of the other', () => command('-t', 'filter', '-F')],
      [
        'a jump taken away',
        () =>
          command(
            '-t',
            'nat',
            '-D',
            'OUTPUT',
            '-m',
            'comment',
            '--comment',
            'kubernetes service portals',
            '-j',
            'KUBE-SERVICES',
          ),
      ],
      ['a service emptied', () => command('-t', 'nat', '-F', nameOf(/^:KUBE-SVC-/))],
      ['an endpoint emptied', () => command('-t', 'nat', '-F', nameOf(/^:KUBE-SEP-/))],
      ['a rule more', () => command('-t', 'nat', '-I', nameOf(/^:KUBE-SVC-/), '-j', 'RETURN')],
      ['addresses emptied', () => command('-t', 'nat', '-F', nameOf(/^:KUBE-SERVICES-/))],
      [
        'rules of earlier',
        () =>
          execFileSync(
            'nsenter',
            [...inNamespace.slice(1), `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${variant}-restore`],
            { input: early },
          ),
      ],
    ];
    for (const [what, does] of mischief) {
      does();
      expect([what, await backend.hasDrifted()]).toEqual([what, true]);
      await backend.replaceAll(services);
      expect(dump(NAMESPACE, variant, family).sort()).toEqual([...right].sort());
      expect([what, await backend.hasDrifted()]).toEqual([what, false]);
    }
    await backend.cleanup();
  });

  test('looks at all chains in turn, so that none may stay empty', async () => {
    const backend = backendOf(iptables);
    const services = Array.from({ length: 500 }, (_, id) => update(id, [1], {}, family));
    await backend.replaceAll(services);
    const last =
      chainsLike(dump(NAMESPACE, variant, family), /^:KUBE-SVC-/)
        .at(-1)
        ?.slice(1)
        .split(' ')[0] ?? '';
    command('-t', 'nat', '-F', last);
    const looks: boolean[] = [];
    while (looks.length < 5 && looks.at(-1) !== true) looks.push(await backend.hasDrifted());
    expect(looks.at(-1)).toBe(true);
    await backend.cleanup();
  });
});

test('what comes to the loopback address from elsewhere is dropped, though node ports answer there', async () => {
  const lab = new Lab(`pxl${process.pid}`);
  const iptables = new Iptables({ prefix: lab.in('node') });
  const backend = backendOf(iptables);
  try {
    await lab.up();
    // The client sends what is for the loopback address to the node.
    await lab.ip('client', 'addr flush dev lo', 'route add 127.0.0.0/8 via 192.0.2.1 src 192.0.2.2');
    execFileSync(lab.in('client')[0] ?? '', [
      ...lab.in('client').slice(1),
      'sysctl',
      '-qw',
      'net.ipv4.conf.all.route_localnet=1',
    ]);
    await backend.replaceAll([update(1, [3, 4], { nodePort: 30_080 })]);
    expect(await lab.fetch('node', '127.0.0.1', 30_080)).toEqual([expect.stringMatching(/^pod/)]);
    expect(await lab.fetch('client', '127.0.0.1', 8080, { silence: true })).toEqual(['timeout']);
    await backend.cleanup();
    expect(await lab.fetch('client', '127.0.0.1', 8080)).toEqual([expect.stringContaining('node')]);
  } finally {
    await lab.down();
  }
}, 60_000);
