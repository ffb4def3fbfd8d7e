import { expect, test } from '@jest/globals';
import { nodeAddresses } from './node-address.ts';

const at = (address: string) => {
  const family = address.includes(':') ? ('IPv6' as const) : ('IPv4' as const);
  const rest = { netmask: '', mac: '', internal: ['127.0.0.1', '::1'].includes(address), cidr: null };
  return family === 'IPv6' ? { address, family, scopeid: 0, ...rest } : { address, family, ...rest };
};
const RANGES = { IPv4: '10.244.0.0/16', IPv6: 'fd00:244::/48' } as const;
const ranges = (families: readonly ('IPv4' | 'IPv6')[] | undefined) =>
  families && { clusterCidrs: families.map(family => RANGES[family]), serviceCidrs: ['fd00:96::/112'] };
const lo = ['127.0.0.1', '::1'].map(at);
const dual = { lo, up0: ['192.0.2.1', 'fe80::1', '2001:db8::1'].map(at) };

test.each([
  { name: 'IPv4', families: ['IPv4'], interfaces: dual, want: ['192.0.2.1'] },
  { name: 'IPv6', families: ['IPv6'], interfaces: dual, want: ['2001:db8::1'] },
  { name: 'both', families: ['IPv6', 'IPv4'], interfaces: dual, want: ['2001:db8::1', '192.0.2.1'] },
  {
    name: 'none of those that bridges for pods and services have',
    families: ['IPv4', 'IPv6'],
    interfaces: {
      'k8ts-local': [at('fd00:96::a')],
      k8ts0: ['fd00:244::1', '10.244.0.1'].map(at),
      up0: [at('192.0.2.1')],
    },
    want: ['192.0.2.1'],
  },
  { name: 'any', families: undefined, interfaces: dual, want: ['192.0.2.1', '2001:db8::1'] },
  {
    name: 'none of the second',
    families: ['IPv4', 'IPv6'],
    interfaces: { up0: [at('192.0.2.1')] },
    want: ['192.0.2.1'],
  },
  {
    name: 'named ones',
    configured: ['2001:DB8:0::1'],
    families: ['IPv6', 'IPv4'],
    interfaces: dual,
    want: ['2001:db8::1'],
  },
  { name: 'loopback by name', configured: ['127.0.0.1'], families: ['IPv4'], interfaces: dual, want: ['127.0.0.1'] },
] as const)('nodeAddresses() finds $name', ({ families, interfaces, want, ...rest }) => {
  expect(nodeAddresses('configured' in rest ? rest.configured : undefined, ranges(families), interfaces)).toEqual(want);
});

test.each([
  // TEST-NET-3 belongs to nobody.
  { configured: ['203.0.113.9'], families: ['IPv4'], want: /--node-ip 203\.0\.113\.9 .*it has .*127\.0\.0\.1/ },
  { configured: ['192.0.2.1'], families: ['IPv6', 'IPv4'], want: /--node-ip 192\.0\.2\.1 has no IPv6 address/ },
  { configured: undefined, families: ['IPv6'], want: /has no IPv6 address besides loopback; name one with --node-ip/ },
] as const)('nodeAddresses($configured) of $families is refused', ({ configured, families, want }) => {
  const interfaces = configured === undefined ? { lo, up0: ['fe80::1'].map(at) } : dual;
  expect(() => nodeAddresses(configured, ranges(families), interfaces)).toThrow(want);
});
