/** Whatever is sent, the API answers, soon, and never with a fault of its own; keys that mean something to JavaScript are data. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../machinery/process/clock.ts';
import { assemble } from './assemble.ts';
import { Exchange } from './server/exchange.ts';
import { requestInfo } from './server/request-info.ts';
import type { Request, Response } from './server/request.ts';
import { serverOptions } from './testdata/running-server.ts';

const { handler, storage } = assemble(serverOptions());
const ADMIN = { name: 'admin', groups: ['system:masters'] };
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

beforeAll(async () => {
  await send('POST', '/api/v1/namespaces', 'application/json', '{"metadata":{"name":"default"}}');
});

afterAll(() => storage.close());

async function send(
  method: string,
  target: string,
  type = '',
  body: string | Buffer = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const [path = '', rawQuery = ''] = target.split('?', 2);
  const over = new AbortController();
  const request: Request = {
    method,
    path,
    rawQuery,
    query: new URLSearchParams(rawQuery),
    headers: { 'content-type': type, ...headers },
    body: body.length === 0 ? { kind: 'none' } : { kind: 'bytes', read: () => Promise.resolve(Buffer.from(body)) },
    signal: over.signal,
    remoteAddress: '127.0.0.1',
    identity: ADMIN,
  };
  try {
    return await handler(new Exchange(request, requestInfo(request), systemClock));
  } finally {
    over.abort();
  }
}

function statusOf(response: Response): number {
  return 'status' in response ? response.status : 200;
}

const keys = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', 'a', '$patch');
const odd = fc.oneof(
  keys,
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom('..', '%2e%2e', '%', '%00', '%zz', '\u0000', '-1', '1e999', 'NaN', 'null', 'a'.repeat(10_000)),
);
const segments = fc.constantFrom(
  'api',
  'apis',
  'v1',
  'apps',
  'namespaces',
  'pods',
  'default',
  'status',
  'scale',
  'watch',
);
const paths = fc.oneof(
  fc.array(fc.oneof(segments, odd), { maxLength: 8 }).map(parts => `/${parts.join('/')}`),
  fc.constantFrom(
    CONFIG_MAPS,
    `${CONFIG_MAPS}/a`,
    '/api/v1/pods',
    '/apis/apps/v1/namespaces/default/deployments/a/scale',
  ),
);
const parameters = fc.constantFrom(
  'labelSelector',
  'fieldSelector',
  'continue',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'timeoutSeconds',
  'watch',
  'dryRun',
  'fieldManager',
  'fieldValidation',
  'force',
  'gracePeriodSeconds',
  'propagationPolicy',
  'sendInitialEvents',
  'includeObject',
  '__proto__',
);
const queries = fc
  .array(fc.tuple(parameters, fc.oneof(odd, fc.constantFrom('1', 'true', 'a=b,c in (d', '!x', 'All', 'Exact', '0'))), {
    maxLength: 4,
  })
  .map(pairs => pairs.map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&'));
const values = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e300, '', 'a', '1', 'default'),
    fc.array(tie('value'), { maxLength: 3 }),
    // Entries, so that `__proto__` becomes a key of its own and not a prototype.
    fc
      .array(fc.tuple(fc.oneof(keys, fc.constantFrom('metadata', 'name', 'data', 'spec', 'labels')), tie('value')), {
        maxLength: 4,
      })
      .map(entries => Object.fromEntries(entries) as unknown),
  ),
})).value;
const patchOps = fc.array(
  fc.record({
    op: fc.oneof(fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'), odd),
    path: fc.oneof(fc.constantFrom('', '/', '/metadata/labels', '/data/-', '/__proto__/x', '/metadata/name/0'), odd),
    from: fc.oneof(fc.constantFrom('', '/metadata', '/data'), odd),
    value: values,
  }),
  { maxLength: 4 },
);
const bodies = fc.oneof(
  values.map(value => Buffer.from(JSON.stringify({ metadata: { name: 'a' }, data: value }))),
  values.map(value => Buffer.from(JSON.stringify(value) ?? '')),
  patchOps.map(ops => Buffer.from(JSON.stringify(ops))),
  fc
    .string({
      unit: fc.constantFrom('a', ':', ' ', '-', '\n', '{', '[', '&a', '*a', '!', '"', '|', '?'),
      maxLength: 60,
    })
    .map(t => Buffer.from(t)),
  fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.concat([Buffer.from('k8s\0'), bytes])),
  fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
);
const types = fc.constantFrom(
  '',
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'text/plain',
);
const accepts = fc.oneof(
  odd,
  fc.constantFrom(
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,*/*;q=0.1',
    'application/json;as=__proto__;v=constructor;g=',
    'application/vnd.kubernetes.protobuf;stream=watch',
    'application/yaml;pretty=1',
    ';;;,,,==',
    `${'a/b,'.repeat(2000)}`,
    '*/*;q=NaN',
  ),
);
const headerSets = fc.record(
  {
    accept: accepts,
    'user-agent': odd,
    'audit-id': odd,
    'if-none-match': odd,
    'accept-encoding': odd,
    'content-length': odd,
  },
  { requiredKeys: [] },
);
const methods = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', '__proto__');

test('any request is answered without a fault of the server', async () => {
  await fc.assert(
    fc.asyncProperty(
      methods,
      paths,
      queries,
      types,
      bodies,
      headerSets,
      async (method, path, query, type, body, more) => {
        if (path.endsWith('/namespaces/default') && method === 'DELETE') return;
        const response = await send(method, `${path}?${query}`, type, body, more as Record<string, string>);
        expect([statusOf(response), response]).not.toEqual([500, response]);
      },
    ),
    { numRuns: 2000, interruptAfterTimeLimit: 20_000 },
  );
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
}, 40_000);

const DEPLOYMENT = {
  metadata: { name: 'a', labels: { a: 'b' } },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', image: 'x', ports: [{ containerPort: 80 }] }] },
    },
  },
};
const fields = fc.constantFrom(
  'metadata',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'managedFields',
  'spec',
  'template',
  'containers',
  'name',
  'ports',
  'containerPort',
  'protocol',
  'env',
  'value',
  'volumes',
  'replicas',
  'selector',
  'matchLabels',
  'status',
  'strategy',
  'rollingUpdate',
  'maxSurge',
  'resources',
  'limits',
  'cpu',
  '$patch',
  '$retainKeys',
  '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers',
  '__proto__',
);
const pieces = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { depthSize: 'medium' },
    fc.constantFrom<unknown>(null, 0, 2, -1, 'a', 'c', '10%', '1e3', 'delete', 'replace', true, {}, []),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.array(fc.tuple(fields, tie('value')), { maxLength: 4 }).map(entries => Object.fromEntries(entries) as unknown),
  ),
})).value;

test('any patch of an object is answered without a fault of the server', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments';
  const pointers = fc
    .array(fc.oneof(fields, fc.constantFrom('0', '-', '1')), { maxLength: 5 })
    .map(p => p.map(x => `/${x}`).join(''));
  const ops = fc.array(
    fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
      path: pointers,
      from: pointers,
      value: pieces,
    }),
    { maxLength: 3 },
  );
  const patches = fc.oneof(
    ops.map(body => ({ type: 'application/json-patch+json', body: body as unknown })),
    fc.record({
      type: fc.constantFrom(
        'application/merge-patch+json',
        'application/strategic-merge-patch+json',
        'application/apply-patch+yaml',
      ),
      body: fc.array(fc.tuple(fields, pieces), { maxLength: 4 }).map(entries => Object.fromEntries(entries) as unknown),
    }),
  );
  const places = fc.constantFrom('/a', '/a/status', '/a/scale');
  await fc.assert(
    fc.asyncProperty(places, patches, fc.boolean(), async (place, { type, body }, force) => {
      await send('POST', path, 'application/json', JSON.stringify(DEPLOYMENT));
      const query = `?fieldManager=m&force=${String(force)}&fieldValidation=Ignore`;
      const response = await send('PATCH', `${path}${place}${query}`, type, JSON.stringify(body));
      expect([statusOf(response), response]).not.toEqual([500, response]);
    }),
    { numRuns: 1000, interruptAfterTimeLimit: 20_000 },
  );
}, 40_000);

test.each(['__proto__', 'constructor', 'toString'])('a label %s is a label', async key => {
  const name = key.toLowerCase().replaceAll('_', '');
  const text = `{"metadata":{"name":"${name}","labels":{"a${key}a":"x"}},"data":{"${key}":"y"}}`;
  const made = await send('POST', CONFIG_MAPS, 'application/json', text);
  expect(statusOf(made)).toBe(201);
  const read = await send('GET', `${CONFIG_MAPS}/${name}`);
  const { data } = JSON.parse(read.kind === 'stored' ? read.stored.bytes.toString() : '{}') as { data: object };
  expect(Object.entries(data)).toEqual([[key, 'y']]);
});

test.each([
  ['application/json', `{"metadata":{"name":"deep"},"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['application/json', `{"metadata":{"name":"deep"},"data":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
  ['application/yaml', `data: ${'['.repeat(100_000)}`],
  ['application/yaml', `data:\n${Array.from({ length: 3_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')}`],
  [
    'application/yaml',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from(
      { length: 9 },
      (_, i) =>
        `a${i}: &a${i} [${Array(9)
          .fill(i === 0 ? '*a' : `*a${i - 1}`)
          .join(',')}]`,
    ).join('\n')}`,
  ],
  ['application/vnd.kubernetes.protobuf', Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(100_000, 0x12)])],
])('a bomb of %s is refused', async (type, body) => {
  const response = await send('POST', CONFIG_MAPS, type, body);
  expect(statusOf(response)).toBe(400);
});

describe('keys that mean something to JavaScript are data', () => {
  const KEYS = ['constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf'];
  const jsonOf = async (
    response: Promise<Response>,
  ): Promise<{ items: unknown[]; metadata: Record<string, never>; data: object }> => {
    const made = await response;
    if (made.kind === 'stored') return JSON.parse(made.stored.bytes.toString()) as never;
    if (made.kind === 'list') return { items: [...made.items] } as never;
    return JSON.parse(JSON.stringify(made.kind === 'object' ? made.object : made)) as never;
  };

  test.each(KEYS)('%s as label, selector, annotation, finalizer, name and namespace', async key => {
    const name = `x-${key.toLowerCase()}`;
    const meta = { name, labels: { [key]: key }, annotations: { [key]: key, [`e.x/${key}`]: '' } };
    expect(statusOf(await send('POST', CONFIG_MAPS, 'application/json', JSON.stringify({ metadata: meta })))).toBe(201);
    const list = async (selector: string): Promise<number> =>
      (await jsonOf(send('GET', `${CONFIG_MAPS}?labelSelector=${encodeURIComponent(selector)}`))).items.length;
    expect(await list(`${key}=${key}`)).toBe(1);
    expect(await list(`${key}`)).toBe(1);
    expect(await list(`${key} in (a,${key})`)).toBe(1);
    expect(await list(`${key}!=${key},a${key}`)).toBe(0);
    expect(statusOf(await send('GET', `${CONFIG_MAPS}?fieldSelector=${key}%3Dx`))).toBe(400);
    for (const path of [`/apis/${key}/v1/x`, `/apis/apps/${key}/x`, `/api/${key}`, `/api/v1/${key}`, `/${key}`])
      expect([403, 404]).toContain(statusOf(await send('GET', path)));
    for (const path of [
      `/api/v1/namespaces/default/secrets/${key}`,
      `/api/v1/namespaces/${key}/configmaps/a`,
      `${CONFIG_MAPS}/a/${key}`,
    ])
      expect(statusOf(await send('GET', path))).toBe(404);
  });

  test.each(['__proto__', ...KEYS])('%s in patches, apply and managedFields', async key => {
    const name = `p-${key.toLowerCase().replaceAll('_', '')}`;
    const path = `${CONFIG_MAPS}/${name}`;
    const applied = (value: string): string =>
      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"},"data":{"${key}":"${value}"}}`;
    const apply = (manager: string, value: string): Promise<Response> =>
      send('PATCH', `${path}?fieldManager=${manager}`, 'application/apply-patch+yaml', applied(value));
    expect(statusOf(await apply('one', '1'))).toBe(201);
    expect(statusOf(await apply('two', '2'))).toBe(409);
    const patch = (type: string, body: string): Promise<{ data: object; metadata: Record<string, never> }> =>
      jsonOf(send('PATCH', `${path}?fieldManager=m`, `application/${type}+json`, body));
    const entries = async (made: Promise<{ data: object }>): Promise<unknown> => Object.entries((await made).data);
    expect(await entries(patch('merge-patch', `{"data":{"${key}":"3"}}`))).toEqual([[key, '3']]);
    expect(await entries(patch('strategic-merge-patch', `{"data":{"${key}":"4"}}`))).toEqual([[key, '4']]);
    const op = `[{"op":"test","path":"/data/${key}","value":"4"},{"op":"replace","path":"/data/${key}","value":"5"}]`;
    const last = await patch('json-patch', op);
    expect(Object.entries(last.data)).toEqual([[key, '5']]);
    expect(JSON.stringify(last.metadata['managedFields'])).toContain(`"f:${key}":{}`);
    expect(
      await entries(jsonOf(send('PATCH', path, 'application/merge-patch+json', `{"data":{"${key}":null,"a":"b"}}`))),
    ).toEqual([['a', 'b']]);
    expect(({} as Record<string, unknown>)['5']).toBeUndefined();
  });
});

test('a JSON patch of more operations than upstream takes, and copies that would grow it, are refused', async () => {
  const path = `${CONFIG_MAPS}/patched`;
  const large = { metadata: { name: 'patched' }, data: { x: 'y'.repeat(500_000) } };
  await send('POST', CONFIG_MAPS, 'application/json', JSON.stringify(large));
  const patch = async (operations: object[]): Promise<number> =>
    statusOf(await send('PATCH', path, 'application/json-patch+json', JSON.stringify(operations)));
  const many = (count: number, operation: object): object[] => Array.from({ length: count }, () => operation);
  expect(await patch(many(10_001, { op: 'test', path: '/metadata/name', value: 'patched' }))).toBe(413);
  expect(await patch(many(10_000, { op: 'test', path: '/metadata/name', value: 'patched' }))).toBe(200);
  expect(await patch(many(9_000, { op: 'copy', from: '/data/x', path: '/data/y' }))).toBe(422);
  expect(await patch([{ op: 'add', path: `/data/${'9'.repeat(1000)}/-`, value: 1 }])).toBe(422);
});

test('an object does not grow without end, one patch after the other', async () => {
  const path = `${CONFIG_MAPS}/growing`;
  await send('POST', CONFIG_MAPS, 'application/json', JSON.stringify({ metadata: { name: 'growing' } }));
  const grown: number[] = [];
  for (let i = 0; i < 2; i++) {
    const ownerReferences = Array.from({ length: 9_000 }, (_, j) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'x'.repeat(200),
      uid: `${i}-${j}`,
    }));
    const body = JSON.stringify({ metadata: { ownerReferences } });
    grown.push(statusOf(await send('PATCH', path, 'application/strategic-merge-patch+json', body)));
  }
  expect(grown).toEqual([200, 413]);
});
