import { expect, test } from '@jest/globals';
import { readConfig } from './config.ts';

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
