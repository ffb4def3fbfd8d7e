import { expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import { configMaps, namespaces, pods } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { OneController } from '../testdata/one-controller.ts';
import { NamespaceController } from './namespace-controller.ts';

test('pods go first; what holds a namespace up is told, and its end is noticed', async () => {
  const one = await OneController.serve();
  one.run(context => new NamespaceController(context));
  const { client } = one;
  await client.of(namespaces).create({ metadata: { name: 'n', finalizers: ['x.io/outer'] }, spec: {} });
  const held = { namespace: 'n', finalizers: ['x.io/held'] };
  await client.of(configMaps).create({ metadata: { ...held, name: 'c' } });
  const spec = {
    serviceAccountName: 'default',
    automountServiceAccountToken: false,
    containers: [{ name: 'c', image: 'x' }],
  };
  await client.raw('POST', '/api/v1/namespaces/n/serviceaccounts', { metadata: { name: 'default' } });
  await client.of(pods).create({ metadata: { ...held, name: 'p' }, spec });
  await client.of(namespaces).delete({ name: 'n' });
  const told = (text: string) =>
    eventually(text, async () => {
      const { status } = await client.of(namespaces).get({ name: 'n' });
      return status?.conditions?.some(c => c.message?.includes(text) === true) === true ? true : undefined;
    });
  await told('pods. has 1 resource instances');
  expect((await client.of(configMaps).get({ namespace: 'n', name: 'c' })).metadata.deletionTimestamp).toBeUndefined();
  const letGo = { metadata: { finalizers: null } };
  await client.of(pods).patch({ namespace: 'n', name: 'p' }, letGo, { type: 'merge' });
  await told('configmaps. has 1 resource instances');
  await told('x.io/held in 1 resource instances');
  await client.of(configMaps).patch({ namespace: 'n', name: 'c' }, letGo, { type: 'merge' });
  await told('All content successfully removed');
  expect((await client.of(namespaces).get({ name: 'n' })).spec?.finalizers ?? []).toEqual([]);
  await client.of(namespaces).patch({ name: 'n' }, letGo, { type: 'merge' });
  const gone = () =>
    client
      .of(namespaces)
      .get({ name: 'n' })
      .then(() => undefined, isNotFound);
  await eventually('gone', gone);
  await one.close();
});
