import { describe, expect, test } from '@jest/globals';
import type { PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../../proto/api/core-v1.ts';
import { inQuotaScope, objectUsage, quotaCounts, unspecified } from './quota-usage.ts';
import type { KubeObject } from './object.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const pods = { group: '', resource: 'pods' };
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

describe('inQuotaScope()', () => {
  const quota = (spec: ResourceQuota['spec']): ResourceQuota => ({ metadata: {}, spec });
  const classIn = (values: string[]) =>
    quota({ scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values }] } });
  const bound = { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] };
  const far = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', namespaces: ['other'] }] };

  test.each<[string, ResourceQuota, Pod, boolean]>([
    ['no scope', quota({}), pod({}), true],
    ['Terminating', quota({ scopes: ['Terminating'] }), pod({ activeDeadlineSeconds: 5 }), true],
    ['NotTerminating', quota({ scopes: ['NotTerminating'] }), pod({ activeDeadlineSeconds: 5 }), false],
    ['BestEffort', quota({ scopes: ['BestEffort'] }), pod(bound), false],
    ['NotBestEffort and NotTerminating', quota({ scopes: ['NotBestEffort', 'NotTerminating'] }), pod(bound), true],
    ['a priority class', classIn(['high']), pod({ priorityClassName: 'high' }), true],
    ['another priority class', classIn(['high']), pod({ priorityClassName: 'low' }), false],
    [
      'affinity to other namespaces',
      quota({ scopes: ['CrossNamespacePodAffinity'] }),
      pod({ affinity: { podAffinity: far } }),
      true,
    ],
    ['no such affinity', quota({ scopes: ['CrossNamespacePodAffinity'] }), pod({}), false],
  ])('%s', (_name, subject, object, expected) => {
    expect(inQuotaScope(subject, pods, object)).toBe(expected);
  });

  test('a quota with scopes counts no other kinds', () => {
    const object = { metadata: {} };
    expect(inQuotaScope(quota({ scopes: ['BestEffort'] }), { group: '', resource: 'secrets' }, object)).toBe(false);
  });
});

test('unspecified() names what containers leave open', () => {
  const containers = [{ name: 'a', resources: { requests: { cpu: '1' } } }, { name: 'b' }];
  expect(unspecified(['pods', 'requests.cpu', 'limits.memory', 'requests.x.io/gpu'], pod({ containers }))).toEqual([
    'limits.memory for: a,b',
    'requests.cpu for: b',
  ]);
});
