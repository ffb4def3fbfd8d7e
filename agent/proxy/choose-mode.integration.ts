/** The choice of the packet filter on hosts as they come, each a network namespace of its own. Needs root. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { run } from '../host/exec.ts';
import { chooseMode } from './choose-mode.ts';

const NAMESPACE = `cm${process.pid}`;
const prefix = ['nsenter', `--net=/run/netns/${NAMESPACE}`];
const within = (line: string): Promise<unknown> => run([...prefix, 'sh', '-c', line]);

beforeEach(() => run(['ip', 'netns', 'add', NAMESPACE]));
afterEach(() => run(['ip', 'netns', 'del', NAMESPACE]));

test.each([
  { host: 'a bare one', setUp: ':', want: 'nftables' },
  { host: 'one with nftables rules', setUp: 'nft add table inet firewalld', want: 'nftables' },
  { host: 'one that reads its rules now and then', setUp: 'iptables-nft -S; iptables-nft -t nat -S', want: 'nftables' },
  {
    host: 'one with rules of ours, of an older version and of CNI plugins',
    setUp:
      'iptables-nft -t nat -N KUBE-SERVICES; iptables-nft -t nat -A PREROUTING -j KUBE-SERVICES; ' +
      'iptables-nft -N K8TS-FORWARD; iptables-nft -A FORWARD -m comment --comment x -j K8TS-FORWARD; ' +
      'iptables-nft -t nat -N CNI-HOSTPORT-DNAT; iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
    want: 'nftables',
  },
  { host: 'one that drops what is forwarded', setUp: 'iptables-nft -P FORWARD DROP', want: 'iptables nft' },
  {
    host: "one with Docker's chains",
    setUp: 'iptables-nft -N DOCKER; iptables-nft -A FORWARD -j DOCKER',
    want: 'iptables nft',
  },
  {
    host: 'one with rules in legacy iptables',
    setUp: 'iptables-legacy -A INPUT -p tcp --dport 9 -j DROP',
    want: 'iptables legacy',
  },
])('chooseMode() on $host is $want, and changes nothing', async ({ setUp, want }) => {
  await within(setUp);
  const look = async (): Promise<string> =>
    (await run([...prefix, 'sh', '-c', 'nft list ruleset; cat /proc/net/ip_tables_names'])).stdout;
  const before = await look();
  const choice = await chooseMode('auto', { prefix });
  expect([choice.mode, choice.iptablesVariant].filter(Boolean).join(' ')).toBe(want);
  expect(choice.packetFilter).toBe(choice.mode);
  expect(await look()).toBe(before);
});

test('chooseMode() takes what it is told, and says why it cannot', async () => {
  await within('iptables-nft -P FORWARD DROP');
  expect(await chooseMode('nftables', { prefix })).toMatchObject({ mode: 'nftables', packetFilter: 'nftables' });
  expect(await chooseMode('userspace', { prefix })).toMatchObject({ mode: 'userspace', packetFilter: 'iptables' });
  // A host without any of the commands.
  const bare = [...prefix, 'env', 'PATH=/nowhere'];
  await expect(chooseMode('iptables', { prefix: bare })).rejects.toThrow(/no iptables works here/);
  await expect(chooseMode('nftables', { prefix: bare })).rejects.toThrow(/no nft works here/);
  expect(await chooseMode('auto', { prefix: bare })).toMatchObject({ mode: 'userspace', packetFilter: 'none' });
});
