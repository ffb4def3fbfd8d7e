import { expect, test } from '@jest/globals';
import { readConfig } from './config.ts';
import { nthAddress } from './network-ranges.ts';

const etcd = { 'etcd-servers': ['https://10.0.0.5:2379', 'https://[fd00::5]:2379'] };

test.each([
  { name: 'no etcd', argv: {}, want: undefined },
  { name: 'members', argv: etcd, want: undefined },
  {
    name: 'members, certificates and a prefix',
    argv: { ...etcd, 'etcd-cafile': '/a', 'etcd-certfile': '/b', 'etcd-keyfile': '/c', 'etcd-prefix': '/k8ts/a' },
    want: undefined,
  },
  { name: 'no scheme', argv: { 'etcd-servers': ['10.0.0.5:2379'] }, want: '--etcd-servers: "10.0.0.5:2379" is no URL' },
  { name: 'a path', argv: { 'etcd-servers': ['http://a:1/b'] }, want: '--etcd-servers: "http://a:1/b" is no URL' },
  { name: 'a password', argv: { 'etcd-servers': ['http://a:b@c'] }, want: '--etcd-servers: "http://a:b@c" is no URL' },
  { name: 'an empty list', argv: { 'etcd-servers': [''] }, want: '--etcd-servers: [] names no member' },
  { name: 'a folder for volumes', argv: { 'local-path-dir': 'x' }, want: '--local-path-dir: "x" is neither none nor' },
  { name: 'all of the disk for volumes', argv: { 'local-path-dir': '/' }, want: '--local-path-dir: "/" is neither' },
  { name: 'a way out', argv: { 'local-path-dir': '/a/../b' }, want: '--local-path-dir: "/a/../b" is neither' },
  {
    name: 'a part to leave out',
    argv: { without: 'x' },
    want: '--without: "x" is none of scheduler, controllers, local-path',
  },
  { name: 'a file without members', argv: { 'etcd-cafile': '/a' }, want: '--etcd-cafile: "/a" is of no use without' },
  {
    name: 'a file without TLS',
    argv: { 'etcd-servers': ['http://a:1'], 'etcd-cafile': '/a' },
    want: '--etcd-cafile: "/a" is of no use: no URL of --etcd-servers begins with https',
  },
  { name: 'a relative path', argv: { ...etcd, 'etcd-cafile': 'a' }, want: '--etcd-cafile: "a" is no absolute path' },
  { name: 'no key', argv: { ...etcd, 'etcd-certfile': '/a' }, want: '--etcd-certfile: "/a" needs --etcd-keyfile too' },
  {
    name: 'no certificate',
    argv: { ...etcd, 'etcd-keyfile': '/a' },
    want: '--etcd-keyfile: "/a" needs --etcd-certfile',
  },
  {
    name: 'a slash at the end',
    argv: { ...etcd, 'etcd-prefix': '/a/' },
    want: '--etcd-prefix: "/a/" is no key prefix',
  },
  { name: 'everything', argv: { ...etcd, 'etcd-prefix': '/' }, want: '--etcd-prefix: "/" is no key prefix' },
  {
    name: 'ranges that overlap',
    argv: { 'cluster-cidr': '10.0.0.0/8', 'service-cidr': '10.96.0.0/16' },
    want: '--service-cidr: "10.96.0.0/16" overlaps the range of pod addresses, --cluster-cidr 10.0.0.0/8',
  },
  { name: 'a small range', argv: { 'service-cidr': '10.96.0.0/28' }, want: undefined },
  {
    name: 'a range that is too small',
    argv: { 'service-cidr': '10.96.0.0/29' },
    want: '--service-cidr: "10.96.0.0/29" is too small; the smallest is a /28',
  },
  { name: 'an address of DNS', argv: { 'cluster-dns': '10.96.0.53' }, want: undefined },
  {
    name: 'an address of DNS from elsewhere',
    argv: { 'cluster-dns': '1.2.3.4' },
    want: '--cluster-dns: "1.2.3.4" is not in the range of service addresses, --service-cidr 10.96.0.0/16',
  },
  {
    name: 'two ranges each',
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/48', 'service-cidr': '10.2.0.0/16,fd00:2::/112' },
    want: undefined,
  },
  {
    name: 'a scheduler of its own',
    argv: { 'scheduler-config': '/a.yaml', 'scheduler-plugins': '/b.mjs,/c.mjs' },
    want: undefined,
  },
  {
    name: 'plugins that no profile names',
    argv: { 'scheduler-plugins': '/b.mjs' },
    want: '--scheduler-plugins: ["/b.mjs"] needs --scheduler-config too',
  },
  {
    name: 'a plugin of no absolute path',
    argv: { 'scheduler-config': '/a.yaml', 'scheduler-plugins': 'b.mjs' },
    want: '--scheduler-plugins: "b.mjs" is no absolute path',
  },
  { name: 'IPv6 alone', argv: { 'cluster-cidr': 'fd00:1::/48', 'service-cidr': 'fd00:2::/124' }, want: undefined },
  {
    name: 'services of one family of two',
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/48', 'service-cidr': '10.2.0.0/16' },
    want: undefined,
  },
  {
    name: 'two ranges of one family',
    argv: { 'cluster-cidr': '10.1.0.0/16,10.2.0.0/16' },
    want: '--cluster-cidr: "10.1.0.0/16,10.2.0.0/16" may have one value, or one of IPv4 and one of IPv6',
  },
  { name: 'no range', argv: { 'cluster-cidr': 'x,10.2.0.0/16' }, want: '--cluster-cidr: "x" is no range of addresses' },
  { name: 'an empty range', argv: { 'service-cidr': ',' }, want: '--service-cidr: "" is empty' },
  {
    name: 'another primary family',
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/48', 'service-cidr': 'fd00:2::/112,10.2.0.0/16' },
    want: '--service-cidr: "fd00:2::/112,10.2.0.0/16" is IPv6 first; the range of pod addresses has to be so too',
  },
  {
    name: 'services without pods of their family',
    argv: { 'service-cidr': '10.96.0.0/16,fd00:2::/112' },
    want: '--service-cidr: "fd00:2::/112" needs a range of pod addresses of IPv6 too',
  },
  {
    name: 'a second range that is too small',
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/48', 'service-cidr': '10.2.0.0/16,fd00:2::/125' },
    want: '--service-cidr: "fd00:2::/125" is too small; the smallest is a /124',
  },
  { name: "a node's part", argv: { 'node-cidr-mask-size': 26 }, want: undefined },
  {
    name: "a node's part that is larger than all",
    argv: { 'node-cidr-mask-size': 15 },
    want: "--node-cidr-mask-size: 15 does not fit: of 10.244.0.0/16 a node's part is a /16 to a /30",
  },
  {
    name: "a range with no room for a node's part",
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/112' },
    want: '--cluster-cidr: "fd00:1::/112" has no /64 for a node; of fd00:1::/112 a node\'s part is a /112 to a /126: say --node-cidr-mask-size-ipv6',
  },
  {
    name: 'one size for two ranges',
    argv: { 'cluster-cidr': '10.1.0.0/16,fd00:1::/48', 'node-cidr-mask-size': 24 },
    want: '--node-cidr-mask-size: 24 is for one range',
  },
  { name: 'a size of two for one', argv: { 'node-cidr-mask-size-ipv6': 64 }, want: '64 is for two ranges' },
  {
    name: 'an advertised address of another family',
    argv: { 'advertise-address': 'fd00::1' },
    want: '--advertise-address: "fd00::1" is no IPv4 address, as the first range of --service-cidr is',
  },
  { name: 'two addresses of a node', argv: { 'node-ip': '192.0.2.1,fd00::1' }, want: undefined },
  {
    name: 'two addresses of one family',
    argv: { 'node-ip': 'fd00::1,fd00::2' },
    want: '--node-ip: "fd00::1,fd00::2" may have one value, or one of IPv4 and one of IPv6',
  },
  { name: 'an address that is none', argv: { 'node-ip': '192.0.2.300' }, want: '"192.0.2.300" is no IP address' },
  { name: 'names in the certificate', argv: { 'tls-san': ['a.example,*.b.example,::1'] }, want: undefined },
  { name: 'a name with a space', argv: { 'tls-san': ['a b'] }, want: '--tls-san: "a b" is neither an IP address' },
  { name: 'labels of a node', argv: { 'node-labels': ['a=b', 'node.kubernetes.io/x=', 'e.x/y=z'] }, want: undefined },
  {
    name: 'a label that only the administrator gives',
    argv: { 'node-labels': ['node-role.kubernetes.io/x='] },
    want: '--node-labels: "node-role.kubernetes.io/x=" is none that a node may give itself',
  },
  { name: 'an outer address', argv: { 'node-external-ip': 'a' }, want: '--node-external-ip: "a" is no IP address' },
  { name: 'a prefix of nothing', argv: { 'etcd-prefix': '/a' }, want: '--etcd-prefix: "/a" is of no use without' },
])('readConfig() with $name', ({ argv, want }) => {
  if (want === undefined) expect(readConfig(argv)).toMatchObject({ logLevel: 'info' });
  else expect(() => readConfig(argv)).toThrow(want);
});

test('ranges are taken as networks, whichever of their addresses they are written with', () => {
  const argv = { 'cluster-cidr': '10.1.2.3/16, FD00:1:0:1::/48', 'service-cidr': '10.2.0.0/16' };
  expect(readConfig(argv)).toMatchObject({ clusterCidr: ['10.1.0.0/16', 'fd00:1::/48'], serviceCidr: ['10.2.0.0/16'] });
});

test.each([
  { cidr: '10.96.0.0/16', n: 10, want: '10.96.0.10' },
  { cidr: '10.96.255.0/24', n: 1, want: '10.96.255.1' },
  { cidr: 'fd00:96::/112', n: 10, want: 'fd00:96::a' },
])('nthAddress($cidr, $n) is $want', ({ cidr, n, want }) => {
  expect(nthAddress(cidr, n)).toBe(want);
});
