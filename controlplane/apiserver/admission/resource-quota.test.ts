/** Quotas hold however many ask at once, also of several API servers over one store. */
import { expect, test } from '@jest/globals';
import type { Pod, ResourceQuota } from '../../../proto/api/core-v1.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { pods, resourceQuotas, serviceAccounts } from '../../../machinery/client/resource.ts';
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { serverOptions, startServer, type RunningServer } from '../testdata/running-server.ts';

const namespace = 'default';

async function servers(count: number): Promise<{ clients: RestClient[]; close: () => Promise<unknown> }> {
  const options = serverOptions();
  const running: RunningServer[] = [];
  for (let i = 0; i < count; i++) running.push(await startServer(options));
  const clients = running.map(({ admin }) => new RestClient(admin));
  return { clients, close: () => Promise.all(running.map(server => server.stop())) };
}

const pod = (name: string, spec: object = {}): Pod => ({
  metadata: { namespace, name },
  spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
});

/** As the controller leaves a quota that nothing has been taken from. */
async function quota(client: RestClient, name: string, spec: ResourceQuota['spec']): Promise<void> {
  const made = await client.of(resourceQuotas).create({ metadata: { namespace, name }, spec });
  const used = Object.fromEntries(Object.keys(spec?.hard ?? {}).map(each => [each, '0']));
  await client.of(resourceQuotas).updateStatus({ ...made, status: { hard: spec?.hard, used } });
}

test('of many that ask two servers at once as many pass as there is room for, and both quotas say so', async () => {
  const { clients, close } = await servers(2);
  const [first, second] = clients as [RestClient, RestClient];
  await first.of(serviceAccounts).create({ metadata: { namespace, name: 'default' } } as AnyObject);
  await quota(first, 'narrow', { hard: { pods: '7', 'count/pods': '50' } });
  await quota(first, 'wide', { hard: { pods: '20' } });
  await Promise.all(clients.map(client => client.of(resourceQuotas).list({ namespace })));
  const ask = (i: number) => (i % 2 === 0 ? first : second).of(pods).create(pod(`p${i}`));
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => ask(i)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(7);
  const refused = outcomes.find(outcome => outcome.status === 'rejected');
  expect(String(refused?.reason)).toContain('exceeded quota: narrow, requested: pods=1, used: pods=7, limited: pods=7');
  for (const name of ['narrow', 'wide'])
    expect((await second.of(resourceQuotas).get({ namespace, name })).status?.used?.['pods']).toBe('7');
  await close();
});

test('what a dry run asks for is not taken; what is not counted yet is refused', async () => {
  const { clients, close } = await servers(1);
  const [client] = clients as [RestClient];
  await client.of(serviceAccounts).create({ metadata: { namespace, name: 'default' } } as AnyObject);
  await quota(client, 'one', { hard: { pods: '1' } });
  await client.of(pods).create(pod('dry'), { dryRun: true });
  await client.of(pods).create(pod('real'));
  await expect(client.of(pods).create(pod('dry'), { dryRun: true })).rejects.toThrow('exceeded quota: one');
  const hard = { 'limits.cpu': '1', 'requests.cpu': '1' };
  const uncounted = { metadata: { namespace, name: 'a' }, spec: { hard } };
  const made = await client.of(resourceQuotas).create(uncounted);
  await client.of(resourceQuotas).updateStatus({ ...made, status: { hard } });
  await expect(client.of(pods).create(pod('p'))).rejects.toThrow(
    'failed quota: a: must specify limits.cpu for: c; requests.cpu for: c',
  );
  const resources = { requests: { cpu: '1' }, limits: { cpu: '1' } };
  await expect(client.of(pods).create(pod('p', { resources }))).rejects.toThrow(
    'status unknown for quota: a, resources: limits.cpu,requests.cpu',
  );
  await close();
});
