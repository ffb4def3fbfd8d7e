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
  { name: 'a prefix of nothing', argv: { 'etcd-prefix': '/a' }, want: '--etcd-prefix: "/a" is of no use without' },
])('readConfig() with $name', ({ argv, want }) => {
  if (want === undefined) expect(readConfig(argv)).toMatchObject({ logLevel: 'info' });
  else expect(() => readConfig(argv)).toThrow(want);
});
