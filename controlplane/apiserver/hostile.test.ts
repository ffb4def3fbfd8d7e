/** What a client with little or no right tries on a real port: it gets its own things and clear refusals, never another's. */
import { connect as http2Connect, constants } from 'node:http2';
import { request } from 'node:https';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Transport } from '../../machinery/client/transport.ts';
import { loopbackTls, startServer, type RunningServer } from './testdata/running-server.ts';

const { ca, options } = loopbackTls();
let running: RunningServer;
let admin: Transport;
let token = '';
let foreignToken = '';

const SECRET = 'c2VjcmV0'.repeat(4);
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/low';

beforeAll(async () => {
  running = await startServer(options);
  admin = running.admin;
  const post = (path: string, body: object): Promise<unknown> => admin.call({ method: 'POST', path, body });
  for (const name of ['low', 'other', 'low-2']) {
    await post('/api/v1/namespaces', { metadata: { name } });
    for (const secret of ['ok', 'zz'])
      await post(`/api/v1/namespaces/${name}/secrets`, { metadata: { name: secret }, data: { x: SECRET } });
    await post(`/api/v1/namespaces/${name}/configmaps`, { metadata: { name: 'a' }, data: { in: name } });
    await post(`/api/v1/namespaces/${name}/configmaps`, { metadata: { name: 'b' }, data: { in: name } });
  }
  await post('/api/v1/namespaces/low/serviceaccounts', { metadata: { name: 'guest' } });
  const rules = [
    { verbs: ['get', 'list', 'watch', 'update', 'deletecollection'], apiGroups: [''], resources: ['configmaps'] },
    { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['secrets'], resourceNames: ['ok'] },
    { verbs: ['create', 'update'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'] },
  ];
  await post(`${RBAC}/roles`, { metadata: { name: 'guest' }, rules });
  await post(`${RBAC}/rolebindings`, {
    metadata: { name: 'guest' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'guest' },
    subjects: [{ kind: 'ServiceAccount', name: 'guest', namespace: 'low' }],
  });
  const issue = async (spec: object): Promise<string> => {
    const made = await post('/api/v1/namespaces/low/serviceaccounts/guest/token', { spec });
    return (made as { status: { token: string } }).status.token;
  };
  token = await issue({});
  foreignToken = await issue({ audiences: ['https://elsewhere.example'] });
});

afterAll(() => running.stop());

interface Answer {
  readonly status: number;
  readonly body: string;
}

function call(
  method: string,
  path: string,
  { bearer = token, headers = {}, body }: { bearer?: string; headers?: Record<string, string>; body?: unknown } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const authorization = bearer === '' ? {} : { authorization: `Bearer ${bearer}` };
    const options = {
      host: '127.0.0.1',
      port: running.server.port,
      method,
      path,
      ca: ca.certPem,
      agent: false as const,
    };
    const sent = request({ ...options, headers: { ...authorization, 'content-type': 'application/json', ...headers } });
    sent.on('response', answer => {
      let text = '';
      answer.on('data', chunk => (text += String(chunk)));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** What raw bytes bring back until the server closes, or has nothing more to say. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: running.server.port,
      ca: ca.certPem,
      ALPNProtocols: ['http/1.1'],
    });
    socket.setTimeout(300, () => socket.destroy());
    socket.on('data', chunk => (text += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(bytes);
  });
}

const CONFIG_MAPS = '/api/v1/namespaces/low/configmaps';

describe('without credentials', () => {
  test.each([
    '/api',
    '/api/v1/secrets',
    '/api/v1/namespaces/low/secrets/ok',
    '/apis/apps/v1/deployments?watch=1',
    '/metrics',
    '/openapi/v2',
    '/logs/',
    '/debug/pprof/',
    '/api/v1/namespaces/low/configmaps?watch=1',
    '/api/v1/nodes/x/proxy/metrics',
  ])('%s tells nothing', async path => {
    const { status, body } = await call('GET', path, { bearer: '' });
    expect([401, 403]).toContain(status);
    expect(body).not.toContain(SECRET);
  });

  test.each(['x', `${'a'.repeat(8000)}`, 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', '..', '\u00ff'])(
    'a token %.12s is none',
    async bearer => {
      expect((await call('GET', CONFIG_MAPS, { bearer })).status).toBe(401);
    },
  );

  test('a token for another audience is none', async () => {
    expect((await call('GET', CONFIG_MAPS)).status).toBe(200);
    expect((await call('GET', CONFIG_MAPS, { bearer: foreignToken })).status).toBe(401);
  });

  test('a token whose claims were changed is none', async () => {
    const [head = '', claims = '', signature = ''] = token.split('.');
    const changed = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    const forged = Buffer.from(JSON.stringify({ ...changed, sub: 'system:admin' })).toString('base64url');
    for (const bearer of [`${head}.${forged}.${signature}`, `${head}.${forged}.`, `${head}.${claims}.AAAA`])
      expect((await call('GET', CONFIG_MAPS, { bearer })).status).toBe(401);
  });
});

describe('with a right in one namespace', () => {
  const steps = fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%2E.',
    '..%2f',
    '%2f',
    '%00',
    'other',
    'low',
    'secrets',
    'zz',
    'ok',
    'a',
    '',
    '__proto__',
    'constructor',
    'namespaces',
    'configmaps',
    'status',
    'watch',
    ';',
    '%',
    '%c0%ae',
    '\\',
  );

  test('no spelling of a path leads to what belongs to others', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          '/api/v1/namespaces/low/',
          '/api/v1/namespaces/low',
          '/api/v1/',
          '/api/v1/watch/namespaces/low/',
          '/',
        ),
        fc.array(steps, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('/', '%2f', '//'),
        async (root, parts, separator) => {
          const { status, body } = await call('GET', `${root}${parts.join(separator)}?timeoutSeconds=1&limit=1`, {
            headers: { connection: 'close' },
          });
          if (status === 200 && body.includes(SECRET)) expect(body).toContain('"name":"ok","namespace":"low"');
          expect(status === 200 ? body : '').not.toContain('"namespace":"other"');
          expect(status).not.toBe(500);
        },
      ),
      { numRuns: 120, interruptAfterTimeLimit: 4000 },
    );
  });

  test.each([
    'metadata.name=ok,metadata.name=zz',
    'metadata.name!=x,metadata.name=ok',
    'metadata.name=ok\\,metadata.name=zz',
    'metadata.namespace!=x\\,metadata.name\\=ok',
    'a\\,metadata.name=ok',
    ',metadata.name=ok,',
    'metadata.name==ok',
    'metadata.name=zz',
    'metadata.name=ok&fieldSelector=metadata.name=zz',
    'metadata.name=zz&fieldSelector=metadata.name=ok',
    'type=Opaque,metadata.name=ok',
    'metadata.name in (ok,zz)',
    'metadata.name=',
    'metadata.name=o%00k',
  ])('a right to one name is no right to others: %s', async selector => {
    const path = `/api/v1/namespaces/low/secrets?fieldSelector=${encodeURIComponent(selector).replaceAll('%26', '&').replaceAll('fieldSelector%3D', 'fieldSelector=')}`;
    const { status, body } = await call('GET', path);
    expect([200, 400, 403]).toContain(status);
    expect(status === 200 ? body : '').not.toContain('"name":"zz"');
  });

  const continueOf = (start: string, rv = -1, v = 'meta.k8s.io/v1'): string =>
    Buffer.from(JSON.stringify({ v, rv, start })).toString('base64url');

  test.each([
    ['another namespace', continueOf('other/')],
    ['before the own one', continueOf('a')],
    ['a neighbour by name', continueOf('low-2/a\u0000')],
    ['inside the own one', continueOf('low/a\u0000')],
    ['another resource', continueOf('../secrets/low/')],
    ['an absolute key', continueOf('/registry/secrets/low/')],
    ['a negative revision', continueOf('low/a', -5)],
    ['a huge key', continueOf('low/'.padEnd(10_000, 'x'))],
    ['a prototype', Buffer.from('{"__proto__":{"v":"meta.k8s.io/v1","rv":1,"start":"x"}}').toString('base64url')],
    ['no JSON', 'AAAA'],
    ['not base64', '%%%'],
  ])('a forged continue token (%s) shows nothing of others', async (_name, forged) => {
    const { status, body } = await call('GET', `${CONFIG_MAPS}?limit=5&continue=${encodeURIComponent(forged)}`);
    expect([200, 400, 410]).toContain(status);
    expect(body).not.toMatch(/"in":"(other|low-2)"/);
  });

  test('no watch shows anything of others', async () => {
    const watches = [
      '/api/v1/namespaces/low/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.namespace%3Dother',
      '/api/v1/namespaces/low/configmaps?watch=1&timeoutSeconds=1&resourceVersion=1',
      '/api/v1/watch/namespaces/low/configmaps?timeoutSeconds=1',
      '/api/v1/namespaces/low%2f..%2fother/configmaps?watch=1&timeoutSeconds=1',
      '/api/v1/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.namespace%3Dlow',
    ].map(path => call('GET', path));
    for (const name of ['other', 'low-2'])
      await admin.call({
        method: 'PATCH',
        path: `/api/v1/namespaces/${name}/configmaps/a`,
        contentType: 'application/merge-patch+json',
        body: { metadata: { labels: { changed: 'now' } } },
      });
    for (const { body } of await Promise.all(watches)) expect(body).not.toMatch(/"in":"(other|low-2)"/);
  });

  test('rights are not grown by writing roles or bindings', async () => {
    const role = { metadata: { name: 'grown' }, rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] };
    expect((await call('POST', `${RBAC}/roles`, { body: role })).status).toBe(403);
    expect((await call('PUT', `${RBAC}/roles/guest`, { body: { ...role, metadata: { name: 'guest' } } })).status).toBe(
      403,
    );
    const binding = {
      metadata: { name: 'grown' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name: 'guest', namespace: 'low' }],
    };
    expect((await call('POST', `${RBAC}/rolebindings`, { body: binding })).status).toBe(403);
  });

  test.each([
    { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' },
    { 'impersonate-user': 'system:serviceaccount:low:guest', 'impersonate-group': 'system:masters' },
    { 'impersonate-group': 'system:masters' },
    { 'impersonate-extra-scopes': 'all' },
    { 'impersonate-uid': '1' },
    { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters', 'x-forwarded-for': '127.0.0.1' },
  ])('nobody becomes somebody else: %j', async headers => {
    const { status } = await call('GET', '/api/v1/namespaces/other/secrets', { headers });
    expect([400, 403]).toContain(status);
  });

  test('of writes at one resourceVersion one wins', async () => {
    const { body } = await call('GET', `${CONFIG_MAPS}/b`);
    const read = JSON.parse(body) as { data: Record<string, string> };
    const writes = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        call('PUT', `${CONFIG_MAPS}/b`, { body: { ...read, data: { ...read.data, i: String(i) } } }),
      ),
    );
    expect(writes.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(11).fill(409)]);
  });
});

describe('proxies', () => {
  const withStatus = async (path: string, object: object, status: object): Promise<void> => {
    await admin.call({ method: 'POST', path: path.slice(0, path.lastIndexOf('/')), body: object });
    await admin.call({
      method: 'PATCH',
      path: `${path}/status`,
      contentType: 'application/merge-patch+json',
      body: { status },
    });
  };

  test.each(['127.0.0.1', '169.254.169.254', '0.0.0.0', '::1', '::ffff:127.0.0.1', 'fe80::1', '224.0.0.1'])(
    'do not lead to %s',
    async address => {
      const name = `n-${address.replaceAll(/[.:]/g, '-')}x`;
      await withStatus(
        `/api/v1/nodes/${name}`,
        { metadata: { name } },
        { addresses: [{ type: 'InternalIP', address }] },
      );
      const failed = admin.call({ method: 'GET', path: `/api/v1/nodes/${name}/proxy/` });
      await expect(failed).rejects.toMatchObject({ code: 400, message: 'address not allowed' });
    },
  );

  test.each(['0', '65536', '99999999', '-1', 'x', '1e3', '%00'])('take no port %s', async port => {
    const name = `p-${Buffer.from(port).toString('hex')}`;
    await withStatus(
      `/api/v1/nodes/${name}`,
      { metadata: { name } },
      { addresses: [{ type: 'InternalIP', address: '10.255.255.1' }] },
    );
    const failed = admin.call({ method: 'GET', path: `/api/v1/nodes/${name}:${port}/proxy/` });
    await expect(failed).rejects.toMatchObject({ code: 400 });
  });
});

describe('the wire', () => {
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n`;

  test.each([
    ['two lengths', 'POST /version HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 40\r\n\r\nabcd'],
    [
      'length and chunks',
      `POST /version HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${get('/version')}\r\n`,
    ],
    ['an odd encoding', `POST /version HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `GET /version HTTP/1.1\r\nhost: x\r\ncontent-length : 40\r\n\r\n`],
    ['bare line feeds', `GET /version HTTP/1.1\nhost: x\n\n`],
    ['a NUL in a header', `GET /version HTTP/1.1\r\nhost: x\r\na: b\u0000c\r\n\r\n`],
    ['100 KiB of headers', `${get('/version')}${`a: ${'b'.repeat(1000)}\r\n`.repeat(100)}\r\n`],
    ['a long path', `${get(`/${'a'.repeat(100_000)}`)}\r\n`],
    ['no HTTP', '\u0000\u0001\u0002'.repeat(1000)],
  ])('%s: refused, and nothing hides behind it', async (_name, bytes) => {
    const text = await raw(bytes);
    expect(text).not.toMatch(/HTTP\/1\.1 (200|500)/);
    expect(text.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1);
  });

  test('the body of a GET is no second request', async () => {
    const hidden = `${get('/healthz')}\r\n`;
    const text = await raw(`${get('/livez')}content-length: ${hidden.length}\r\n\r\n${hidden}`);
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  });

  test('paths that only HTTP/2 can carry are answered', async () => {
    const session = http2Connect(`https://127.0.0.1:${running.server.port}`, { ca: ca.certPem });
    session.on('error', () => {});
    const status = (path: string, method = 'GET'): Promise<number> =>
      new Promise(resolve => {
        const stream = session.request({ ':path': path, ':method': method, authorization: `Bearer ${token}` });
        stream.on('response', head => resolve(Number(head[':status'])));
        stream.on('error', () => resolve(0));
        stream.resume();
      });
    for (const path of [
      '/a b',
      '/%',
      '/\u00e9',
      '*',
      'x',
      '//',
      '/?\u00e9=%zz',
      '/api/v1/namespaces/low/pods/p/proxy/a b',
    ])
      expect([0, 400, 403, 404]).toContain(await status(path));
    expect([0, 400, 403, 404, 405]).toContain(await status('/version', 'BREW'));
    session.destroy();
  });

  test('floods of resets, pings and settings leave others served', async () => {
    const flood = http2Connect(`https://127.0.0.1:${running.server.port}`, { ca: ca.certPem });
    flood.on('error', () => {});
    await new Promise(resolve => flood.once('connect', resolve));
    for (let i = 0; i < 3000 && !flood.destroyed && !flood.closed; i++) {
      const stream = flood.request({ ':path': CONFIG_MAPS, authorization: `Bearer ${token}` });
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 10 === 0) flood.ping(() => {});
      if (i % 100 === 0) flood.settings({ initialWindowSize: 65_535 + i });
    }
    expect((await call('GET', CONFIG_MAPS)).status).toBe(200);
    flood.destroy();
    expect((await call('GET', CONFIG_MAPS)).status).toBe(200);
  });

  test('a body beyond 3 MiB is refused', async () => {
    const body = { metadata: { name: 'large' }, data: { x: 'y'.repeat(3 * 1024 * 1024) } };
    expect((await call('PUT', `${CONFIG_MAPS}/a`, { body })).status).toBe(413);
  });
});
