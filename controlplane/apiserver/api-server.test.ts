import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Transport } from '../../machinery/client/transport.ts';
import type { StatusError } from '../../machinery/meta/status-error.ts';
import { startServer, type RunningServer } from './testdata/running-server.ts';

interface Any {
  kind?: string;
  metadata: {
    name?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    deletionTimestamp?: string;
    finalizers?: string[];
    labels?: Record<string, string>;
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  data?: Record<string, string>;
  items?: Any[];
  code?: number;
}

let running: RunningServer;
let admin: Transport;
const DEFAULT = '/api/v1/namespaces/default';

beforeAll(async () => {
  running = await startServer({ serviceCIDR: '10.96.0.0/28', nodePortRange: '30000-30003' });
  admin = running.admin;
  await post(`${DEFAULT}/serviceaccounts`, { metadata: { name: 'default' } });
});

afterAll(() => running.stop());

const get = (path: string, query?: Record<string, string>, as = admin): Promise<Any> =>
  as.call({ method: 'GET', path, query }) as Promise<Any>;
const post = (path: string, body: unknown, query?: Record<string, string>, as = admin): Promise<Any> =>
  as.call({ method: 'POST', path, body, query }) as Promise<Any>;
const put = (path: string, body: unknown): Promise<Any> => admin.call({ method: 'PUT', path, body }) as Promise<Any>;
const del = (path: string, body?: unknown): Promise<Any> =>
  admin.call({ method: 'DELETE', path, body }) as Promise<Any>;
const patch = (
  path: string,
  body: unknown,
  contentType = 'application/merge-patch+json',
  query?: Record<string, string>,
): Promise<Any> => admin.call({ method: 'PATCH', path, body, contentType, query }) as Promise<Any>;
const failure = (call: Promise<unknown>): Promise<StatusError> =>
  call.then(
    () => Promise.reject(new Error('it succeeded')),
    (e: unknown) => e as StatusError,
  );
const pod = (name: string, more: object = {}): object => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'x' }], ...more },
});

describe('createApiServer()', () => {
  test('has the default objects when ready', async () => {
    const { items = [] } = await get('/api/v1/namespaces');
    expect(items.map(n => n.metadata.name)).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system']);
    expect((await get(`${DEFAULT}/services/kubernetes`)).spec?.['clusterIP']).toBe('10.96.0.1');
    expect((await get('/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin')).kind).toBe('ClusterRole');
  });

  test('creates, updates, patches and deletes with generations and conflicts', async () => {
    const path = `${DEFAULT}/configmaps`;
    const made = await post(path, { metadata: { name: 'cm' }, data: { a: '1' } });
    expect((await failure(post(path, { metadata: { name: 'cm' } }))).message).toBe('configmaps "cm" already exists');
    const next = await put(`${path}/cm`, { ...made, data: { a: '2' } });
    expect(next.data).toEqual({ a: '2' });
    expect((await failure(put(`${path}/cm`, { ...made, data: { a: '3' } }))).reason).toBe('Conflict');
    expect((await patch(`${path}/cm`, { data: { b: '1' } })).data).toEqual({ a: '2', b: '1' });
    await del(`${path}/cm`);
    expect((await failure(get(`${path}/cm`))).message).toBe('configmaps "cm" not found');
  });

  test('a dry run writes nothing', async () => {
    await post(`${DEFAULT}/configmaps`, { metadata: { name: 'dry' } }, { dryRun: 'All' });
    expect((await failure(get(`${DEFAULT}/configmaps/dry`))).reason).toBe('NotFound');
  });

  test('apply that creates owns what it set as an applier', async () => {
    const made = (await patch(
      `${DEFAULT}/configmaps/applied`,
      { apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } },
      'application/apply-patch+yaml',
      { fieldManager: 'kubectl' },
    )) as { metadata: { managedFields?: { manager: string; operation: string; fieldsV1: unknown }[] } };
    expect(made.metadata.managedFields).toMatchObject([
      { manager: 'kubectl', operation: 'Apply', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
  });

  test('a pod waits for the default account of a new namespace, and not for others', async () => {
    await post('/api/v1/namespaces', { metadata: { name: 'fresh' } });
    const waiting = post('/api/v1/namespaces/fresh/pods', pod('early'));
    await post('/api/v1/namespaces/fresh/serviceaccounts', { metadata: { name: 'default' } });
    expect((await waiting).metadata.name).toBe('early');
    const refused = await failure(post('/api/v1/namespaces/fresh/pods', pod('lost', { serviceAccountName: 'none' })));
    expect(refused.message).toBe(
      'pods "lost" is forbidden: error looking up service account fresh/none: serviceaccount "none" not found',
    );
  });

  test('a finalizer holds an object until it is removed', async () => {
    const path = `${DEFAULT}/configmaps/held`;
    await post(`${DEFAULT}/configmaps`, { metadata: { name: 'held', finalizers: ['example.com/x'] } });
    expect((await del(path)).metadata.deletionTimestamp).toBeDefined();
    await patch(path, { metadata: { finalizers: null } });
    expect((await failure(get(path))).reason).toBe('NotFound');
  });

  test('foreground deletion marks the object with its finalizer', async () => {
    await post(`${DEFAULT}/configmaps`, { metadata: { name: 'fg' } });
    const marked = await del(`${DEFAULT}/configmaps/fg`, { propagationPolicy: 'Foreground' });
    expect(marked.metadata.finalizers).toEqual(['foregroundDeletion']);
    await patch(`${DEFAULT}/configmaps/fg`, { metadata: { finalizers: null } });
  });

  test('server-side apply creates, and another manager meets a conflict', async () => {
    const path = `${DEFAULT}/configmaps/ssa`;
    const applied = (value: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'ssa' },
      data: { a: value },
    });
    await patch(path, applied('1'), 'application/apply-patch+yaml', { fieldManager: 'one' });
    const error = await failure(patch(path, applied('2'), 'application/apply-patch+yaml', { fieldManager: 'two' }));
    expect(error.reason).toBe('Conflict');
    expect(
      (await patch(path, applied('2'), 'application/apply-patch+yaml', { fieldManager: 'two', force: 'true' })).data,
    ).toEqual({ a: '2' });
  });

  test('pods get account, token volume, tolerations and priority; binding happens once', async () => {
    const made = await post(`${DEFAULT}/pods`, pod('p'));
    expect(made.spec).toMatchObject({
      serviceAccountName: 'default',
      priority: 0,
      tolerations: [{ tolerationSeconds: 300 }, { tolerationSeconds: 300 }],
    });
    expect(made.spec?.['volumes']).toHaveLength(1);
    const binding = { target: { kind: 'Node', name: 'n1' } };
    await post(`${DEFAULT}/pods/p/binding`, { ...binding, metadata: { name: 'p' } });
    const again = await failure(post(`${DEFAULT}/pods/p/binding`, { ...binding, metadata: { name: 'p' } }));
    expect(again.message).toContain('pod p is already assigned to node "n1"');
    const marked = await del(`${DEFAULT}/pods/p`);
    expect(marked.metadata.deletionTimestamp).toBeDefined();
    await del(`${DEFAULT}/pods/p`, { gracePeriodSeconds: 0 });
    expect((await failure(get(`${DEFAULT}/pods/p`))).reason).toBe('NotFound');
  });

  test('no address and no port is given twice, and what is released is free again', async () => {
    const service = (name: string): object => ({
      metadata: { name },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    });
    const results = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e'].map(n => post(`${DEFAULT}/services`, service(n))),
    );
    const made = results.flatMap(r => (r.status === 'fulfilled' ? [r.value] : []));
    expect(made).toHaveLength(4);
    expect(new Set(made.map(s => s.spec?.['clusterIP'])).size).toBe(4);
    for (const { metadata } of made) await del(`${DEFAULT}/services/${metadata.name ?? ''}`);
    expect((await post(`${DEFAULT}/services`, service('f'))).kind).toBe('Service');
    const taken = await failure(
      post(`${DEFAULT}/services`, { metadata: { name: 'g' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } }),
    );
    expect(taken.message).toContain('provided IP is already allocated');
  });

  test('status and spec are separate, and the generation rises with the spec alone', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const spec = {
      replicas: 1,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    };
    await post(path, { metadata: { name: 'd' }, spec });
    const status = await patch(`${path}/d/status`, { status: { replicas: 3 }, spec: { replicas: 9 } });
    expect([status.spec?.['replicas'], status.status?.['replicas'], status.metadata.generation]).toEqual([1, 3, 1]);
    const scaled = await patch(`${path}/d/scale`, { spec: { replicas: 4 } });
    expect([scaled.kind, scaled.spec?.['replicas']]).toEqual(['Scale', 4]);
    expect((await get(`${path}/d`)).metadata.generation).toBe(2);
  });

  test('a namespace that is being deleted takes nothing and goes when it is finalized', async () => {
    await post('/api/v1/namespaces', { metadata: { name: 'going' } });
    await del('/api/v1/namespaces/going');
    const refused = await failure(post('/api/v1/namespaces/going/configmaps', { metadata: { name: 'x' } }));
    expect(refused.message).toBe(
      'configmaps "x" is forbidden: unable to create new content in namespace going because it is being terminated',
    );
    const current = await get('/api/v1/namespaces/going');
    await put('/api/v1/namespaces/going/finalize', { ...current, spec: {} });
    expect((await failure(get('/api/v1/namespaces/going'))).reason).toBe('NotFound');
  });

  test('who has no role is refused with the known text, and nobody grants what they have not', async () => {
    const tester = running.server.inProcess({ name: 'tester' });
    const error = await failure(get(`${DEFAULT}/pods`, undefined, tester));
    expect(error.message).toBe(
      'pods is forbidden: User "tester" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
    await post(`${rbac}/rolebindings`, {
      metadata: { name: 'a' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tester' }],
    });
    await new Promise(resolve => setImmediate(resolve));
    expect((await get(`${DEFAULT}/pods`, undefined, tester)).kind).toBe('PodList');
    const grant = { metadata: { name: 'r' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['nodes'] }] };
    expect((await failure(post(`${rbac}/roles`, grant, undefined, tester))).message).toContain(
      'attempting to grant RBAC permissions not currently held',
    );
  });

  test('a node reads the secrets of its own pods alone', async () => {
    const node = running.server.inProcess({ name: 'system:node:n1', groups: ['system:nodes'] });
    await post(`${DEFAULT}/secrets`, { metadata: { name: 's1' } });
    expect((await failure(get(`${DEFAULT}/secrets/s1`, undefined, node))).message).toContain(
      "no relationship found between node 'n1' and this object",
    );
    await post(
      `${DEFAULT}/pods`,
      pod('uses', { nodeName: 'n1', volumes: [{ name: 'v', secret: { secretName: 's1' } }] }),
    );
    expect((await get(`${DEFAULT}/secrets/s1`, undefined, node)).metadata.name).toBe('s1');
  });

  test('a watch begins with what is there and goes on with what changes', async () => {
    const seen: string[] = [];
    const path = `${DEFAULT}/configmaps`;
    await post(path, { metadata: { name: 'w1', labels: { w: '1' } } });
    for await (const event of admin.watch({ method: 'GET', path, query: { watch: '1', labelSelector: 'w=1' } })) {
      seen.push(`${event.type} ${(event.object as Any).metadata.name}`);
      if (seen.length === 1) await post(path, { metadata: { name: 'w2', labels: { w: '1' } } });
      if (seen.length === 2) await del(`${path}/w1`);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(['ADDED w1', 'ADDED w2', 'DELETED w1']);
  });

  test('events of both groups are the same objects', async () => {
    const regarding = { kind: 'Pod', name: 'x', namespace: 'default' };
    await post(`${DEFAULT}/events`, {
      metadata: { name: 'e' },
      involvedObject: regarding,
      message: 'm',
      reason: 'R',
      type: 'Normal',
    });
    expect(await get('/apis/events.k8s.io/v1/namespaces/default/events/e')).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      note: 'm',
      regarding,
    });
  });

  test('tokens are issued and known again', async () => {
    const { status } = await post(`${DEFAULT}/serviceaccounts/default/token`, { spec: {} });
    const review = await post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: status?.['token'] } });
    expect(review.status).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:default' },
    });
  });

  test.each(['/api', '/apis', '/api/v1', '/apis/apps/v1', '/version', '/readyz', '/metrics', '/openapi/v3'])(
    '%s answers',
    async path => {
      expect(await admin.call({ method: 'GET', path })).toBeDefined();
    },
  );
});
