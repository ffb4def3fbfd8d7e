import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Transport } from '../../../machinery/client/transport.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

let running: RunningServer;
let admin: Transport;
const PATH = '/apis/apps/v1/namespaces/default/deployments';

beforeAll(async () => {
  running = await startServer();
  admin = running.admin;
});

afterAll(() => running.stop());

interface Entry {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: Record<string, Record<string, unknown>>;
}

const apply = (path: string, body: object, query: Record<string, string>): Promise<unknown> =>
  admin.call({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml', query });
const scaleTo = (replicas: number, query: Record<string, string>): Promise<unknown> =>
  apply(
    `${PATH}/d/scale`,
    { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'd' }, spec: { replicas } },
    query,
  );
const owners = async (): Promise<string[]> => {
  const { metadata } = (await admin.call({ method: 'GET', path: `${PATH}/d` })) as {
    metadata: { managedFields: Entry[] };
  };
  return metadata.managedFields
    .filter(({ fieldsV1 }) => fieldsV1['f:spec']?.['f:replicas'] !== undefined)
    .map(({ manager, operation, subresource = '' }) => `${manager} ${operation} ${subresource}`.trim());
};

test('a Scale is applied: replicas have an owner, conflicts are told, force takes them', async () => {
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } };
  const spec = { replicas: 1, selector: { matchLabels: { a: 'b' } }, template };
  await apply(
    `${PATH}/d`,
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec },
    { fieldManager: 'one' },
  );
  expect(await owners()).toEqual(['one Apply']);

  await expect(scaleTo(3, { fieldManager: 'two' })).rejects.toMatchObject({
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
  });
  await scaleTo(3, { fieldManager: 'two', force: 'true' });
  expect(await owners()).toEqual(['two Apply scale']);

  const patch = {
    path: `${PATH}/d/scale`,
    contentType: 'application/merge-patch+json',
    query: { fieldManager: 'three' },
  };
  await admin.call({ method: 'PATCH', ...patch, body: { spec: { replicas: 5 } } });
  expect(await owners()).toEqual(['three Update scale']);
});
