import { expect, test } from '@jest/globals';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { keyPrefixOf, moveToLayout } from './key-layout.ts';

test.each([
  ['', 'pods', '/registry/pods/'],
  ['', 'nodes', '/registry/minions/'],
  ['', 'services', '/registry/services/specs/'],
  ['', 'endpoints', '/registry/services/endpoints/'],
  ['', 'replicationcontrollers', '/registry/controllers/'],
  ['apps', 'deployments', '/registry/deployments/'],
  ['networking.k8s.io', 'ingresses', '/registry/ingress/'],
  ['networking.k8s.io', 'ingressclasses', '/registry/ingressclasses/'],
  ['resource.k8s.io', 'resourceclaims', '/registry/resourceclaims/'],
  ['apiregistration.k8s.io', 'apiservices', '/registry/apiregistration.k8s.io/apiservices/'],
])('keyPrefixOf(%j, %j) is %s', (group, resource, prefix) => {
  expect(keyPrefixOf(group, resource)).toBe(prefix);
});

test('moveToLayout() moves what lies elsewhere, also after it was cut short, and nothing else', async () => {
  const store = new MemoryStore();
  await store.create('/registry/replicationcontrollers/ns/a', Buffer.from('a'));
  await store.create('/registry/controllers/ns/a', Buffer.from('a'));
  await store.create('/registry/resource.k8s.io/deviceclasses/d', Buffer.from('d'));
  await store.create('/registry/pods/ns/p', Buffer.from('p'));
  expect(await moveToLayout(store)).toBe(2);
  expect((await store.list('/registry/')).items.map(i => `${i.key} ${i.value.toString()}`)).toEqual([
    '/registry/controllers/ns/a a',
    '/registry/deviceclasses/d d',
    '/registry/pods/ns/p p',
  ]);
  expect(await moveToLayout(store)).toBe(0);
  await store.close();
});
