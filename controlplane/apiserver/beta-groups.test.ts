import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AnyObject } from '../../machinery/client/resource.ts';
import type { Transport } from '../../machinery/client/transport.ts';
import { startServer, type RunningServer } from './testdata/running-server.ts';

interface Managed {
  readonly manager: string;
  readonly apiVersion: string;
}

let running: RunningServer;
let admin: Transport;

beforeAll(async () => {
  running = await startServer({ runtimeConfig: ['api/beta=true'] });
  admin = running.admin;
});

afterAll(() => running.stop());

const call = (method: string, path: string, body?: unknown, query?: Record<string, string>): Promise<AnyObject> =>
  admin.call({ method, path, body, query } as never) as Promise<AnyObject>;
const budgets = (version: string): string => `/apis/policy/${version}/namespaces/default/poddisruptionbudgets`;
const budget = (name: string, selector: object): object => ({
  metadata: { name },
  spec: { minAvailable: 1, selector },
});

describe('old versions that were asked for', () => {
  test.each([
    ['policy', 'v1beta1', 'poddisruptionbudgets'],
    ['batch', 'v1beta1', 'cronjobs'],
    ['discovery.k8s.io', 'v1beta1', 'endpointslices'],
  ])('%s/%s is in discovery and in OpenAPI, after the stable version', async (group, version, resource) => {
    const versions = (await call('GET', `/apis/${group}`)) as unknown as {
      versions: { version: string }[];
      preferredVersion: { version: string };
    };
    expect(versions.versions.map(v => v.version)).toEqual(['v1', version]);
    expect(versions.preferredVersion.version).toBe('v1');
    const list = (await call('GET', `/apis/${group}/${version}`)) as unknown as { resources: { name: string }[] };
    expect(list.resources.map(r => r.name)).toContain(resource);
    const api = (await call('GET', `/openapi/v3/apis/${group}/${version}`)) as unknown as { paths: object };
    expect(Object.keys(api.paths)).toContain(`/apis/${group}/${version}/${resource}`);
  });

  test('an empty selector of v1beta1 is one of v1 that selects nothing', async () => {
    await call('POST', budgets('v1beta1'), budget('none', {}));
    const [beta, stable] = [
      await call('GET', `${budgets('v1beta1')}/none`),
      await call('GET', `${budgets('v1')}/none`),
    ] as unknown as { apiVersion: string; spec: { selector: object } }[];
    expect(beta).toMatchObject({ apiVersion: 'policy/v1beta1', spec: { selector: {} } });
    expect(Object.keys(stable?.spec.selector ?? {})).toEqual(['matchExpressions']);
  });

  test('managedFields name the version of the request', async () => {
    await call('POST', budgets('v1beta1'), budget('owned', { matchLabels: { a: 'b' } }), { fieldManager: 'old' });
    const found = await call('GET', `${budgets('v1')}/owned`);
    await call(
      'PUT',
      `${budgets('v1')}/owned`,
      { ...found, spec: { minAvailable: 2, selector: { matchLabels: { a: 'b' } } } },
      { fieldManager: 'new' },
    );
    const { metadata } = (await call('GET', `${budgets('v1')}/owned`)) as unknown as {
      metadata: { managedFields: Managed[] };
    };
    expect(metadata.managedFields.map(({ manager, apiVersion }) => [manager, apiVersion]).sort()).toEqual([
      ['new', 'policy/v1'],
      ['old', 'policy/v1beta1'],
    ]);
  });
});
