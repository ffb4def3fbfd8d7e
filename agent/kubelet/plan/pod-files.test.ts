import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { cgroupFsPath, cgroupParent, podCgroup } from './cgroup-names.ts';
import { parseResolvConf, podDns } from './dns-config.ts';
import { hostNetworkHostsFile, podHostsFile } from './hosts-file.ts';
import { tailOfLog } from './log-line.ts';
import { planRotation } from '../node/plan/log-rotation.ts';
import { podHostname } from './pod-hostname.ts';

const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [], ...spec },
});
const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' };
const host = parseResolvConf('# x\nnameserver 192.0.2.53\nsearch example.org\noptions timeout:2 rotate\n');

describe('podDns()', () => {
  test.each([
    [
      'ClusterFirst',
      {},
      ['10.96.0.10'],
      ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'],
      ['ndots:5'],
    ],
    [
      'ClusterFirst on the host network',
      { hostNetwork: true },
      ['192.0.2.53'],
      ['example.org'],
      ['timeout:2', 'rotate'],
    ],
    [
      'ClusterFirstWithHostNet',
      { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
      ['10.96.0.10'],
      ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'],
      ['ndots:5'],
    ],
    ['Default', { dnsPolicy: 'Default' }, ['192.0.2.53'], ['example.org'], ['timeout:2', 'rotate']],
    [
      'None',
      {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] },
      },
      ['1.1.1.1'],
      ['a.b'],
      ['ndots:2'],
    ],
    [
      'dnsConfig on top',
      { dnsConfig: { nameservers: ['1.1.1.1'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] } },
      ['10.96.0.10', '1.1.1.1'],
      ['n.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'],
      ['ndots:2', 'edns0'],
    ],
  ])('%s', (_, spec, servers, searches, options) => {
    expect(podDns(pod(spec), cluster, host)).toEqual({ settings: { servers, searches, options }, warnings: [] });
  });

  test('leaves out a fourth server and says so', () => {
    const { settings, warnings } = podDns(
      pod({ dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3'] } }),
      cluster,
      host,
    );
    expect(settings.servers).toHaveLength(3);
    expect(warnings[0]).toContain('Nameserver limits were exceeded');
  });
});

describe('hosts files', () => {
  test('of a pod with subdomain and aliases', () => {
    const text = podHostsFile(['10.0.0.5'], 'p', 'sub.n.svc.cluster.local', [
      { ip: '192.0.2.9', hostnames: ['a', 'b'] },
    ]);
    expect(text).toContain('\n10.0.0.5\tp.sub.n.svc.cluster.local\tp\n');
    expect(text).toMatch(/# Entries added by HostAliases\.\n192\.0\.2\.9\ta\tb\n$/);
  });

  test("on the host network is the node's own", () => {
    expect(hostNetworkHostsFile('127.0.0.1 localhost\n', [])).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n',
    );
  });
});

test.each([
  [{}, 'p'],
  [{ hostname: 'h' }, 'h'],
  [{ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }, 'h.s.n.svc.cluster.local'],
  [{ hostNetwork: true }, ''],
])('podHostname() of %j is %s', (spec, want) => {
  expect(podHostname(pod(spec), 'cluster.local')).toMatchObject({ sandboxHostname: want });
});

test('podHostname() refuses a name that is too long for the kernel', () => {
  expect(
    podHostname(pod({ hostname: 'h'.repeat(40), subdomain: 's'.repeat(20), setHostnameAsFQDN: true }), 'cluster.local'),
  ).toContain('is too long');
});

test('control groups are spelled as their driver wants', () => {
  const path = podCgroup(['k8ts'], 'Burstable', 'a-b');
  expect(cgroupParent(path, 'cgroupfs')).toBe('/k8ts/kubepods/burstable/poda-b');
  expect(cgroupParent(path, 'systemd')).toBe('k8ts-kubepods-burstable-poda_b.slice');
  expect(cgroupFsPath(path, 'systemd')).toBe(
    '/k8ts.slice/k8ts-kubepods.slice/k8ts-kubepods-burstable.slice/k8ts-kubepods-burstable-poda_b.slice',
  );
});

test('tailOfLog() joins partial lines', () => {
  expect(
    tailOfLog(
      'cut off\n2026-01-01T00:00:00Z stdout P a\n2026-01-01T00:00:00Z stdout F b\n2026-01-01T00:00:00Z stderr F c\n',
    ),
  ).toBe('ab\nc\n');
});

test('planRotation() keeps the newest files, compressing all but the last', () => {
  const existing = [
    '0.log',
    '0.log.20260101-000001.gz',
    '0.log.20260101-000002.gz',
    '0.log.20260101-000003.gz',
    '0.log.20260101-000004',
    '0.log.x.tmp',
    '1.log',
  ];
  expect(planRotation('0.log', existing, { maxBytes: 1, maxFiles: 5 }, Date.UTC(2026, 0, 2, 3, 4, 5))).toEqual({
    rotateTo: '0.log.20260102-030405',
    compress: ['0.log.20260101-000004'],
    remove: ['0.log.x.tmp', '0.log.20260101-000001.gz'],
  });
});
