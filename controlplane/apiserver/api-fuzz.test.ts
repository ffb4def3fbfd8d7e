/** Whatever is sent, the API answers, soon, and never with a fault of its own; keys that mean something to JavaScript are data. */
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generateKeyPem } from '../../machinery/pki/certificate.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { MemoryStore } from '../store/memory/memory-store.ts';
import { assemble } from './assemble.ts';
import { Exchange } from './server/exchange.ts';
import { requestInfo } from './server/request-info.ts';
import type { Request, Response } from './server/request.ts';

const { handler, storage } = assemble({
  store: new MemoryStore(systemClock),
  clock: systemClock,
  logger: silentLogger,
  advertiseAddress: '10.1.2.3',
  serviceAccountKeys: { signingKey: generateKeyPem() },
});
const ADMIN = { name: 'admin', groups: ['system:masters'] };
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

afterAll(() => storage.close());

async function send(method: string, target: string, type = '', body: string | Buffer = ''): Promise<Response> {
  const [path = '', rawQuery = ''] = target.split('?', 2);
  const over = new AbortController();
  const request: Request = {
    method,
    path,
    rawQuery,
    query: new URLSearchParams(rawQuery),
    headers: { 'content-type': type },
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
const methods = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', '__proto__');

test('any request is answered without a fault of the server', async () => {
  await send('POST', '/api/v1/namespaces', 'application/json', '{"metadata":{"name":"default"}}');
  await fc.assert(
    fc.asyncProperty(methods, paths, queries, types, bodies, async (method, path, query, type, body) => {
      if (path.endsWith('/namespaces/default') && method === 'DELETE') return;
      const response = await send(method, `${path}?${query}`, type, body);
      expect(statusOf(response)).not.toBe(500);
    }),
    { numRuns: 3000, interruptAfterTimeLimit: 20_000 },
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
    { numRuns: 1500, interruptAfterTimeLimit: 20_000 },
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
