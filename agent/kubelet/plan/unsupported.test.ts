import { expect, test } from '@jest/globals';
import type { Container, Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import { notEnforced, unsupportedByNode, unsupportedByRuntime, unsupportedOfContainer } from './unsupported.ts';

const pod = (spec: Partial<PodSpec>, ...containers: Container[]): Pod => ({
  metadata: { name: 'p', uid: 'u' },
  spec: { containers, ...spec },
});

test('a pod that works is refused nothing', () => {
  const plain = pod({}, { name: 'a' });
  expect(unsupportedByNode(plain)).toBeUndefined();
  expect(unsupportedOfContainer(plain, 'a')).toBeUndefined();
  expect(notEnforced(plain)).toEqual([]);
});

test.each([
  ['Strict', false, 'SupplementalGroupsPolicyNotSupported'],
  ['Strict', true, undefined],
  ['Merge', false, undefined],
] as const)('unsupportedByRuntime() of policy %s, able %s: %s', (supplementalGroupsPolicy, able, reason) => {
  const abilities = { recursiveReadOnlyMounts: false, supplementalGroupsPolicy: able };
  expect(unsupportedByRuntime(pod({ securityContext: { supplementalGroupsPolicy } }), abilities)?.reason).toBe(reason);
});

test('unsupportedByNode() names all that the pod as a whole needs', () => {
  expect(unsupportedByNode(pod({ hostUsers: false, resourceClaims: [{ name: 'gpu' }] }, { name: 'a' }))).toBe(
    'spec.hostUsers is not supported: pods share the user namespace of the node; spec.resourceClaims is not supported: no devices are allocated to pods',
  );
});

test('unsupportedOfContainer() stops only the container that asks', () => {
  const both = pod({}, { name: 'a' }, { name: 'b', resources: { claims: [{ name: 'gpu' }] } });
  expect(unsupportedByNode(both)).toBeUndefined();
  expect(unsupportedOfContainer(both, 'a')).toBeUndefined();
  expect(unsupportedOfContainer(both, 'b')).toBe(
    'spec.containers[1].resources.claims is not supported: no devices are allocated to pods',
  );
});

test('notEnforced() tells what the pod runs without', () => {
  const limited = pod({}, { name: 'a', resources: { limits: { 'ephemeral-storage': '1Gi' } } });
  expect(unsupportedOfContainer(limited, 'a')).toBeUndefined();
  expect(notEnforced(limited)).toEqual([
    'spec.containers[0].resources.limits[ephemeral-storage] is not enforced: no pod is evicted for the disk space that it uses',
  ]);
});
