import { expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import { clusterRoles, configMaps, namespaces } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { APIGroupList } from '../../../proto/api/meta-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { OneController } from '../testdata/one-controller.ts';
import { GarbageCollector } from './garbage-collector.ts';

test('an owner in another namespace counts as absent; what cannot be asked for keeps its dependents', async () => {
  const one = await OneController.serve();
  const { client, told } = one;
  one.run(context => new GarbageCollector(context));
  await client.of(namespaces).create({ metadata: { name: 'other' }, spec: {} });
  const owner = await client.of(configMaps).create({ metadata: { namespace: 'default', name: 'owner' } });
  const { uid = '' } = owner.metadata;
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }];
  const strange = [{ apiVersion: 'nobody.io/v1', kind: 'Unknown', name: 'x', uid: 'x' }];
  await client.of(configMaps).create({ metadata: { namespace: 'default', name: 'own', ownerReferences } });
  await client.of(configMaps).create({ metadata: { namespace: 'default', name: 'strange', ownerReferences: strange } });
  await client.of(clusterRoles).create({ metadata: { name: 'everywhere', ownerReferences } });
  const elsewhere = { namespace: 'other', name: 'elsewhere' };
  await client.of(configMaps).create({ metadata: { ...elsewhere, ownerReferences } });
  const gone = () =>
    client
      .of(configMaps)
      .get(elsewhere)
      .then(() => undefined, isNotFound);
  await eventually('the one elsewhere is gone', gone);
  await eventually('both are told of', () => (told.length >= 2 ? true : undefined));
  expect(new Set(told)).toEqual(new Set(['OwnerRefInvalidNamespace']));
  for (const name of ['own', 'strange']) await client.of(configMaps).get({ namespace: 'default', name });
  await client.of(clusterRoles).get({ name: 'everywhere' });
  await one.close();
});

test('a kind that comes later is followed, and what waited for it is judged; one that goes is left', async () => {
  const one = await OneController.serve();
  const { client } = one;
  let isServed = false;
  let discoveries = 0;
  /** The real server's, as if jobs were a kind that users define. */
  const partial: Client = {
    of: resource => client.of(resource),
    raw: async (method, path, body, signal) => {
      const answer = await client.raw(method, path, body, signal);
      if (path !== '/apis') return answer;
      discoveries++;
      const { groups, ...list } = answer as APIGroupList;
      return { ...list, groups: groups.filter(({ name }) => isServed || name !== 'batch') };
    },
  };
  one.run(context => new GarbageCollector({ ...context, client: partial }));
  const lost = (name: string, kind: string) => {
    const ownerReferences = [{ apiVersion: 'batch/v1', kind, name: 'gone', uid: 'gone' }];
    return client.of(configMaps).create({ metadata: { namespace: 'default', name, ownerReferences } });
  };
  const isGone = (name: string) => () =>
    client
      .of(configMaps)
      .get({ namespace: 'default', name })
      .then(() => undefined, isNotFound);
  await eventually('discovery', () => (discoveries > 0 ? true : undefined));
  await lost('early', 'Job');
  isServed = true;
  await eventually('what waited is gone', isGone('early'));
  isServed = false;
  await lost('of-nobody', 'Unknown');
  await eventually('discovery again', () => (discoveries > 2 ? true : undefined));
  await lost('late', 'Job');
  await eventually('and again', () => (discoveries > 3 ? true : undefined));
  await client.of(configMaps).get({ namespace: 'default', name: 'late' });
  await one.close();
});
