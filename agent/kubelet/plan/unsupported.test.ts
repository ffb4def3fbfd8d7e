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

const NOTHING = {
  recursiveReadOnlyMounts: false,
  supplementalGroupsPolicy: false,
  appArmor: false,
  userNamespaces: new Set<string>(),
};

test.each([
  ['no profile', {}, {}, undefined],
  ['Unconfined', { type: 'Unconfined' }, {}, undefined],
  ['of the pod', { type: 'RuntimeDefault' }, {}, 'AppArmor'],
  ['of a container', {}, { type: 'Localhost', localhostProfile: 'p' }, 'AppArmor'],
])('unsupportedByRuntime() without AppArmor in the kernel: %s', (_name, whole, own, reason) => {
  const profiled = (profile: object): object => ('type' in profile ? { appArmorProfile: profile } : {});
  const container = { name: 'a', securityContext: profiled(own) };
  const one = pod({ securityContext: profiled(whole) }, container);
  expect(unsupportedByRuntime(one, NOTHING)?.reason).toBe(reason);
  expect(unsupportedByRuntime(one, { ...NOTHING, appArmor: true })).toBeUndefined();
});

test.each([
  ['Strict', false, 'SupplementalGroupsPolicyNotSupported'],
  ['Strict', true, undefined],
  ['Merge', false, undefined],
] as const)('unsupportedByRuntime() of policy %s, able %s: %s', (supplementalGroupsPolicy, able, reason) => {
  const abilities = { ...NOTHING, supplementalGroupsPolicy: able };
  expect(unsupportedByRuntime(pod({ securityContext: { supplementalGroupsPolicy } }), abilities)?.reason).toBe(reason);
});

test('unsupportedByNode() names all that the pod as a whole needs', () => {
  expect(unsupportedByNode(pod({ resourceClaims: [{ name: 'gpu' }] }, { name: 'a' }))).toBe(
    'spec.resourceClaims is not supported: no devices are allocated to pods',
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
  const windows = pod({}, { name: 'a', securityContext: { windowsOptions: {} } });
  expect(unsupportedOfContainer(windows, 'a')).toBeUndefined();
  expect(notEnforced(windows)).toEqual([
    'spec.containers[0].securityContext.windowsOptions has no effect: nodes run Linux',
  ]);
});
