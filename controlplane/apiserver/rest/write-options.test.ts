/** What dryRun, fieldValidation, fieldManager and the options of deletions do, on every verb and subresource. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Transport } from '../../../machinery/client/transport.ts';
import type { StatusError } from '../../../machinery/meta/status-error.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

const NS = '/api/v1/namespaces/default';
const APPS = '/apis/apps/v1/namespaces/default';
const MERGE = 'application/merge-patch+json';
const APPLY = 'application/apply-patch+yaml';
const store = new MemoryStore(systemClock);
let admin: Transport;
let running: RunningServer;

type Call = Parameters<Transport['call']>[0];
const call = (method: Call['method'], path: string, body?: unknown, more: Partial<Call> = {}): Promise<unknown> =>
  admin.call({ method, path, body, ...more });
const failure = (work: Promise<unknown>): Promise<StatusError | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => error as StatusError,
  );

const podSpec = { containers: [{ name: 'c', image: 'x' }] };
const template = { metadata: { labels: { app: 'd' } }, spec: podSpec };

beforeAll(async () => {
  running = await startServer({ store, serviceCIDR: '10.96.0.0/28', nodePortRange: '30000-30001' });
  admin = running.admin;
  await call('POST', `${NS}/serviceaccounts`, { metadata: { name: 'default' } });
  await call('POST', `${NS}/configmaps`, { metadata: { name: 'cm' }, data: { a: '1' } });
  await call('POST', `${NS}/pods`, { metadata: { name: 'pod', labels: { app: 'd' } }, spec: podSpec });
  const spec = { replicas: 0, selector: { matchLabels: { app: 'd' } }, template };
  await call('POST', `${APPS}/deployments`, { metadata: { name: 'd' }, spec });
});
afterAll(() => running.stop());

describe('dryRun=All', () => {
  const cm = { metadata: { name: 'new' } };
  test.each<readonly [Call['method'], string, unknown?, string?]>([
    ['POST', `${NS}/configmaps`, cm],
    ['POST', `${NS}/configmaps`, { metadata: { generateName: 'new-' } }],
    ['PUT', `${NS}/configmaps/cm`, { metadata: { name: 'cm' }, data: { b: '2' } }],
    ['PUT', '/apis/coordination.k8s.io/v1/namespaces/default/leases/new', { metadata: { name: 'new' }, spec: {} }],
    ['PATCH', `${NS}/configmaps/cm`, { data: { b: '2' } }, MERGE],
    ['PATCH', `${NS}/configmaps/new`, { apiVersion: 'v1', kind: 'ConfigMap', data: { b: '2' } }, APPLY],
    ['DELETE', `${NS}/configmaps/cm`],
    ['DELETE', `${NS}/configmaps`],
    ['POST', `${NS}/services`, { metadata: { name: 's' }, spec: { type: 'NodePort', ports: [{ port: 1 }] } }],
    ['POST', `${NS}/pods`, { metadata: { name: 'new' }, spec: podSpec }],
    ['POST', `${NS}/pods/pod/binding`, { target: { name: 'n' } }],
    ['POST', `${NS}/pods/pod/eviction`, { metadata: { name: 'pod' } }],
    ['DELETE', `${NS}/pods/pod`],
    ['PATCH', `${NS}/pods/pod/status`, { status: { phase: 'Failed' } }, MERGE],
    ['PATCH', `${APPS}/deployments/d/scale`, { spec: { replicas: 7 } }, MERGE],
    ['PATCH', `${APPS}/deployments/d/status`, { status: { replicas: 7 } }, MERGE],
    ['DELETE', `${APPS}/deployments/d`],
    ['POST', '/api/v1/namespaces', { metadata: { name: 'new' } }],
    ['DELETE', '/api/v1/namespaces/kube-node-lease'],
    ['POST', `${NS}/serviceaccounts/default/token`, { spec: { audiences: ['x'] } }],
    [
      'POST',
      '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } },
    ],
  ])('%s %s stores nothing', async (...row) => {
    const [method, path, body, contentType] = row;
    const before = await store.currentRevision();
    await call(method, path, body, { query: { dryRun: 'All' }, ...(contentType === undefined ? {} : { contentType }) });
    expect(await store.currentRevision()).toBe(before);
  });

  test('takes no address and no port', async () => {
    const service = (name: string): object => ({
      metadata: { name },
      spec: { type: 'NodePort', ports: [{ port: 1 }, { name: 'b', port: 2 }].map((p, i) => ({ name: `p${i}`, ...p })) },
    });
    // There are two ports: what a dry run kept would be missing.
    for (let i = 0; i < 20; i++) await call('POST', `${NS}/services`, service(`dry${i}`), { query: { dryRun: 'All' } });
    const made = (await call('POST', `${NS}/services`, service('real'))) as { spec: { ports: { nodePort: number }[] } };
    expect(made.spec.ports.map(port => port.nodePort).sort()).toEqual([30000, 30001]);
  });

  test.each([
    ['POST', `${NS}/configmaps`, 'CreateOptions'],
    ['PUT', `${NS}/configmaps/cm`, 'UpdateOptions'],
    ['PATCH', `${NS}/configmaps/cm`, 'PatchOptions'],
    ['DELETE', `${NS}/configmaps/cm`, 'DeleteOptions'],
    ['DELETE', `${NS}/configmaps`, 'DeleteOptions'],
  ] as const)('%s %s refuses other values as %s', async (method, path, kind) => {
    const error = await failure(
      call(method, path, method === 'DELETE' ? undefined : {}, { query: { dryRun: 'Some' }, contentType: MERGE }),
    );
    expect([error?.code, error?.message]).toEqual([
      422,
      `${kind}.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"`,
    ]);
  });
});

describe('options', () => {
  test.each([
    [{ fieldManager: 'x'.repeat(129) }, 'fieldManager: Too long: may not be more than 128 bytes'],
    [{ fieldManager: 'a\u0001b' }, 'fieldManager: Invalid value: "a\\x01b": invalid character U+0001 (at position 1)'],
    [
      { fieldValidation: 'Maybe' },
      'fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"',
    ],
    [{ force: 'true' }, 'force: Forbidden: may not be specified for non-apply patch'],
  ])('%j is refused', async (query, why) => {
    const error = await failure(call('PATCH', `${NS}/configmaps/cm`, {}, { query, contentType: MERGE }));
    expect([error?.code, error?.message]).toEqual([422, `PatchOptions.meta.k8s.io "" is invalid: ${why}`]);
  });

  test('an apply says its version', async () => {
    const error = await failure(call('PATCH', `${NS}/configmaps/cm`, { kind: 'ConfigMap' }, { contentType: APPLY }));
    expect(error?.message).toBe('Incorrect version specified in apply patch. Specified patch version: , expected: v1');
  });

  test.each([
    [{ metadata: { name: 'other' } }, 'the name of the object (other) does not match the name on the URL (cm)'],
    [
      { metadata: { namespace: 'other' } },
      'the namespace of the object (other) does not match the namespace on the request (default)',
    ],
  ])('a patch to %j leaves its place', async (patch, why) => {
    const error = await failure(call('PATCH', `${NS}/configmaps/cm`, patch, { contentType: MERGE }));
    expect([error?.code, error?.message]).toEqual([400, why]);
  });
});

test('a uid is a precondition of an update, and what a patch cannot change', async () => {
  const wrong = { metadata: { name: 'cm', uid: 'x' } };
  expect((await failure(call('PUT', `${NS}/configmaps/cm`, wrong)))?.code).toBe(409);
  const error = await failure(call('PATCH', `${NS}/configmaps/cm`, wrong, { contentType: MERGE }));
  expect([error?.code, error?.message]).toEqual([
    422,
    'ConfigMap "cm" is invalid: metadata.uid: Invalid value: "x": field is immutable',
  ]);
});

describe('deletions', () => {
  test.each([
    [{ propagationPolicy: 'Later' }, 422, 'supported values: "Foreground", "Background", "Orphan", "nil"'],
    [
      { propagationPolicy: 'Orphan', orphanDependents: true },
      422,
      'orphanDependents and deletionPropagation cannot be both set',
    ],
    [{ kind: 'Pod', apiVersion: 'v1' }, 400, 'Pod in version "v1" cannot be handled as a DeleteOptions'],
    [
      { preconditions: { uid: 'x' } },
      409,
      'Operation cannot be fulfilled on ConfigMap "cm": the UID in the precondition (x) does not match the UID in record (',
    ],
    [
      { preconditions: { resourceVersion: '1' } },
      409,
      'the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (',
    ],
  ])('%j', async (options, code, words) => {
    const error = await failure(call('DELETE', `${NS}/configmaps/cm`, options));
    expect([error?.code, error?.message]).toEqual([code, expect.stringContaining(words)]);
  });

  test('whoever takes the last finalizer away sees the object without it', async () => {
    await call('POST', `${NS}/configmaps`, { metadata: { name: 'held', finalizers: ['a.example/b'] } });
    const marked = (await call('DELETE', `${NS}/configmaps/held`)) as { metadata: { deletionTimestamp?: string } };
    expect(marked.metadata.deletionTimestamp).toBeDefined();
    const last = await call(
      'PATCH',
      `${NS}/configmaps/held`,
      { metadata: { finalizers: null } },
      { contentType: MERGE },
    );
    expect((last as { metadata: { finalizers?: string[] } }).metadata.finalizers).toBeUndefined();
    expect((await failure(call('GET', `${NS}/configmaps/held`)))?.reason).toBe('NotFound');
  });

  test('of all namespaces is not allowed', async () => {
    expect((await failure(call('DELETE', '/api/v1/namespaces')))?.message).toBe(
      'the server does not allow this method on the requested resource',
    );
  });

  test('of a collection takes what its selectors say, in pages too', async () => {
    for (const name of ['x1', 'x2', 'x3', 'y1'])
      await call('POST', `${NS}/configmaps`, { metadata: { name, labels: { set: name.slice(0, 1) } } });
    const left = async (): Promise<string[]> =>
      (
        (await call('GET', `${NS}/configmaps`, undefined, { query: { labelSelector: 'set' } })) as {
          items: { metadata: { name: string } }[];
        }
      ).items.map(i => i.metadata.name);
    await call('DELETE', `${NS}/configmaps`, undefined, { query: { labelSelector: 'set=x', limit: '2' } });
    expect(await left()).toEqual(['x3', 'y1']);
    await call('DELETE', `${NS}/configmaps`, undefined, { query: { fieldSelector: 'metadata.name=y1' } });
    expect(await left()).toEqual(['x3']);
  });
});
