import { describe, expect, test } from '@jest/globals';
import type { PersistentVolumeClaim, Pod, Service } from '../../proto/api/core-v1.ts';
import { objectUsage, quotaCounts, unspecified } from './quota-usage.ts';
import type { KubeObject } from './object.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const pod = (spec: Partial<Pod['spec']>, more: Partial<Pod> = {}): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [], ...spec },
  ...more,
});

function usage(resource: string, object: KubeObject, group = ''): Record<string, string> {
  return Object.fromEntries([...objectUsage({ group, resource }, object, NOW_MS)].map(([k, v]) => [k, v.toString()]));
}

describe('objectUsage()', () => {
  const containers = [
    { name: 'a', resources: { requests: { cpu: '100m', memory: '1Gi' }, limits: { cpu: '1' } } },
    { name: 'b', resources: { requests: { cpu: '200m', 'x.io/gpu': '2', 'hugepages-2Mi': '4Mi' } } },
  ];

  test('of a pod: requests, limits and itself', () => {
    expect(
      usage('pods', pod({ containers, initContainers: [{ name: 'i', resources: { requests: { cpu: '2' } } }] })),
    ).toEqual({
      'count/pods': '1',
      pods: '1',
      cpu: '2',
      'requests.cpu': '2',
      memory: '1Gi',
      'requests.memory': '1Gi',
      'limits.cpu': '1',
      'requests.x.io/gpu': '2',
      'hugepages-2Mi': '4Mi',
      'requests.hugepages-2Mi': '4Mi',
    });
  });

  test.each([
    ['that ended', { status: { phase: 'Succeeded' } }],
    [
      'that should be gone',
      { metadata: { deletionTimestamp: '2025-12-31T23:00:00Z', deletionGracePeriodSeconds: 30 } },
    ],
  ])('of a pod %s: an object, no resources', (_name, more) => {
    expect(usage('pods', pod({ containers }, more as Partial<Pod>))).toEqual({ 'count/pods': '1' });
  });

  test('of services: ports that nodes give away, load balancers', () => {
    const service = (spec: Service['spec']): Service => ({ metadata: {}, spec });
    const ports = [{ port: 1 }, { port: 2, nodePort: 30000 }];
    expect(usage('services', service({ type: 'ClusterIP', ports }))).toEqual({ 'count/services': '1', services: '1' });
    expect(usage('services', service({ type: 'NodePort', ports }))).toMatchObject({ 'services.nodeports': '2' });
    expect(
      usage('services', service({ type: 'LoadBalancer', ports, allocateLoadBalancerNodePorts: false })),
    ).toMatchObject({ 'services.nodeports': '1', 'services.loadbalancers': '1' });
  });

  test('of claims: whole bytes, by storage class too', () => {
    const claim: PersistentVolumeClaim = {
      metadata: {},
      spec: { storageClassName: 'fast', resources: { requests: { storage: '1500m' } } },
    };
    expect(usage('persistentvolumeclaims', claim)).toEqual({
      'count/persistentvolumeclaims': '1',
      persistentvolumeclaims: '1',
      'requests.storage': '2',
      'fast.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
      'fast.storageclass.storage.k8s.io/requests.storage': '2',
    });
  });

  test('of claims for devices: by class, of alternatives the most', () => {
    const requests = [
      { name: 'a', exactly: { deviceClassName: 'gpu', count: 2 } },
      { name: 'b', exactly: { deviceClassName: 'nic', allocationMode: 'All' } },
      {
        name: 'c',
        firstAvailable: [
          { name: 'x', deviceClassName: 'gpu', count: 3 },
          { name: 'y', deviceClassName: 'gpu' },
        ],
      },
    ];
    const claim = { metadata: {}, spec: { devices: { requests } } };
    expect(usage('resourceclaims', claim, 'resource.k8s.io')).toEqual({
      'count/resourceclaims.resource.k8s.io': '1',
      'gpu.deviceclass.resource.k8s.io/devices': '5',
      'nic.deviceclass.resource.k8s.io/devices': '32',
    });
  });

  test('of anything else: one', () => {
    expect(usage('secrets', { metadata: {} })).toEqual({ 'count/secrets': '1', secrets: '1' });
    expect(usage('jobs', { metadata: {} }, 'batch')).toEqual({ 'count/jobs.batch': '1' });
    expect(usage('secrets', { metadata: {} }, 'other.io')).toEqual({ 'count/secrets.other.io': '1' });
  });
});

test.each([
  ['count/pods', '', 'pods', true],
  ['limits.memory', '', 'pods', true],
  ['requests.x.io/gpu', '', 'pods', true],
  ['requests.storage', '', 'pods', false],
  ['requests.storage', '', 'persistentvolumeclaims', true],
  ['fast.storageclass.storage.k8s.io/requests.storage', '', 'persistentvolumeclaims', true],
  ['fast.storageclass.storage.k8s.io/requests.storage', '', 'pods', false],
  ['services.nodeports', '', 'services', true],
  ['configmaps', '', 'configmaps', true],
  ['configmaps', 'other.io', 'configmaps', false],
  ['count/jobs.batch', 'batch', 'jobs', true],
  ['pods', '', 'secrets', false],
])('quotaCounts(%s) of %s/%s is %p', (name, group, resource, counts) => {
  expect(quotaCounts(name, { group, resource })).toBe(counts);
});

test('unspecified() names what containers leave open', () => {
  const containers = [{ name: 'a', resources: { requests: { cpu: '1' } } }, { name: 'b' }];
  expect(unspecified(['pods', 'requests.cpu', 'limits.memory', 'requests.x.io/gpu'], pod({ containers }))).toEqual([
    'limits.memory for: a,b',
    'requests.cpu for: b',
  ]);
});
