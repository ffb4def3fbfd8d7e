/** The API as upstream's clients speak to it: protobuf in, protobuf out. */
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../machinery/process/clock.ts';
import { assemble } from '../assemble.ts';
import { Exchange } from '../server/exchange.ts';
import { requestInfo } from '../server/request-info.ts';
import type { Request } from '../server/request.ts';
import { sendResponse, type Sink } from '../server/send-response.ts';
import { PROTOBUF } from './negotiate.ts';
import { readEnvelope } from './protobuf/envelope.ts';
import { META } from './protobuf/layout.ts';
import { protobufBody, protobufObject } from './protobuf/protobuf-object.ts';
import { typePackageOf } from './protobuf/type-packages.ts';
import { serverOptions } from '../testdata/running-server.ts';

const { handler, storage } = assemble(serverOptions());
const ADMIN = { name: 'admin', groups: ['system:masters'] };
const DEFAULT = '/api/v1/namespaces/default';
const METADATA = `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`;
const METADATA_LIST = `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;

interface Answer {
  status: number;
  type: string;
  body: Buffer;
  /** Decoded by what the envelope says. */
  object: Any;
}
interface Any {
  apiVersion: string;
  kind: string;
  metadata: { name?: string; resourceVersion?: string };
  items: { metadata: { name: string }; data?: unknown }[];
  [field: string]: unknown;
}

/** @param lastEvents a watch is ended after so many */
async function call(method: string, target: string, body?: object, accept = PROTOBUF, lastEvents = 0): Promise<Answer> {
  const [path = '', rawQuery = ''] = target.split('?', 2);
  const over = new AbortController();
  const bytes = body === undefined ? undefined : (protobufBody(body) ?? Buffer.alloc(0));
  const request: Request = {
    method,
    path,
    rawQuery,
    query: new URLSearchParams(rawQuery),
    headers: { accept, 'content-type': PROTOBUF },
    body: bytes === undefined ? { kind: 'none' } : { kind: 'bytes', read: () => Promise.resolve(bytes) },
    signal: over.signal,
    remoteAddress: '127.0.0.1',
    identity: ADMIN,
  };
  const exchange = new Exchange(request, requestInfo(request), systemClock);
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (lastEvents > 0 && events(Buffer.concat(chunks)).length >= lastEvents) over.abort();
  });
  let status = 0;
  let type = '';
  const sink: Sink = {
    body: stream,
    writeHead(code, headers) {
      status = code;
      type = String(headers['content-type']);
    },
  };
  await sendResponse(exchange, await handler(exchange), sink);
  over.abort();
  const sent = Buffer.concat(chunks);
  return {
    status,
    type,
    body: sent,
    get object() {
      return decoded(sent);
    },
  };
}

function decoded(body: Buffer): Any {
  const { apiVersion, kind } = readEnvelope(body);
  return protobufObject(body, typePackageOf(apiVersion, kind) ?? '', kind) as Any;
}

/** The events of a watch answer. */
function events(body: Buffer): { type: string; object: Any }[] {
  const found = [];
  for (let at = 0; at < body.length; at += 4 + body.readUInt32BE(at)) {
    const frame = body.subarray(at + 4, at + 4 + body.readUInt32BE(at));
    const magic = frame.indexOf('k8s\0');
    found.push({ type: frame.toString('latin1', 2, 2 + (frame[1] as number)), object: decoded(frame.subarray(magic)) });
  }
  return found;
}

const configMap = (name: string, data: Record<string, string>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

beforeAll(async () => {
  await storage
    .resource({
      group: '',
      resource: 'namespaces',
      apiVersion: 'v1',
      kind: 'Namespace',
      prefix: '/registry/namespaces/',
    })
    .create('', 'default', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', uid: 'n' } });
});
afterAll(() => storage.close());

describe('objects', () => {
  test('are created, read, replaced, patched and deleted', async () => {
    const created = await call('POST', `${DEFAULT}/configmaps`, configMap('a', { k: 'v' }));
    expect(created).toMatchObject({ status: 201, type: PROTOBUF });
    expect(created.object).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'v' } });
    const read = await call('GET', `${DEFAULT}/configmaps/a`);
    expect(read.body.equals(created.body)).toBe(true);
    const replaced = await call('PUT', `${DEFAULT}/configmaps/a`, { ...read.object, data: { k: 'w' } });
    expect(replaced.object['data']).toEqual({ k: 'w' });
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'another' } };
    const refused = await call('DELETE', `${DEFAULT}/configmaps/a`, options);
    expect(refused).toMatchObject({ status: 409, type: PROTOBUF });
    const deleted = await call('DELETE', `${DEFAULT}/configmaps/a`, { ...options, preconditions: undefined });
    expect(deleted).toMatchObject({ status: 200, type: PROTOBUF });
    expect(deleted.object).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'a', kind: 'configmaps' },
    });
  });

  test('of another version than the stored one, subresources and reviews come in their own kinds', async () => {
    const spec = {
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 50,
      scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
    };
    const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
    const hpa = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec };
    expect((await call('POST', path, hpa)).object).toMatchObject({ apiVersion: 'autoscaling/v1', spec });
    const list = (await call('GET', path)).object;
    expect(list).toMatchObject({
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscalerList',
      items: [{ spec }],
    });
    const newer = (await call('GET', `${path.replace('v1', 'v2')}/h`)).object;
    expect(newer).toMatchObject({ apiVersion: 'autoscaling/v2', spec: { metrics: [{ type: 'Resource' }] } });

    const labels = { a: 'b' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const rs = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'r' },
      spec: { replicas: 0, selector: { matchLabels: labels }, template },
    };
    expect((await call('POST', '/apis/apps/v1/namespaces/default/replicasets', rs)).status).toBe(201);
    const scale = (await call('GET', '/apis/apps/v1/namespaces/default/replicasets/r/scale')).object;
    expect(scale).toMatchObject({
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      status: { replicas: 0, selector: 'a=b' },
    });
    const up = await call('PUT', '/apis/apps/v1/namespaces/default/replicasets/r/scale', {
      ...scale,
      spec: { replicas: 4 },
    });
    expect(up.object).toMatchObject({ kind: 'Scale', spec: { replicas: 4 } });

    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: 'u',
        groups: ['system:masters'],
        extra: { k: ['v'] },
        nonResourceAttributes: { path: '/x', verb: 'get' },
      },
    };
    const answer = await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review);
    expect(answer).toMatchObject({
      status: 201,
      type: PROTOBUF,
      object: { kind: 'SubjectAccessReview', status: { allowed: true } },
    });
  });

  test('that are refused bring a Status in the same form', async () => {
    const missing = await call('GET', `${DEFAULT}/configmaps/none`);
    expect(missing).toMatchObject({
      status: 404,
      type: PROTOBUF,
      object: { kind: 'Status', reason: 'NotFound', code: 404 },
    });
    const invalid = await call('POST', `${DEFAULT}/configmaps`, configMap('UPPER', {}));
    expect(invalid.object).toMatchObject({ reason: 'Invalid', details: { causes: [{ field: 'metadata.name' }] } });
    const wrong = await call('POST', `${DEFAULT}/secrets`, configMap('a', {}));
    expect(wrong.object).toMatchObject({
      reason: 'BadRequest',
      message: expect.stringContaining('cannot be handled as a Secret'),
    });
  });
});

describe('lists and watches', () => {
  beforeAll(async () => {
    for (const name of ['l1', 'l2'])
      await call('POST', `${DEFAULT}/configmaps`, configMap(name, { of: name.repeat(100) }));
  });

  test('a list is as long as it says, and holds what the JSON list holds', async () => {
    const { object, type } = await call('GET', `${DEFAULT}/configmaps?limit=1`);
    expect(type).toBe(PROTOBUF);
    expect(object).toMatchObject({
      kind: 'ConfigMapList',
      metadata: { remainingItemCount: 1 },
      items: [{ metadata: { name: 'l1' } }],
    });
    const json = JSON.parse(
      (await call('GET', `${DEFAULT}/configmaps`, undefined, 'application/json')).body.toString(),
    ) as Any;
    const proto = (await call('GET', `${DEFAULT}/configmaps`)).object;
    expect(proto.items.map(({ metadata, data }) => ({ metadata, data }))).toEqual(
      json.items.map(({ metadata, data }) => ({ metadata, data })),
    );
  });

  test('metadata alone, as the garbage collector asks for it', async () => {
    const { object, type } = await call('GET', `${DEFAULT}/configmaps`, undefined, METADATA_LIST);
    expect(type).toBe(PROTOBUF);
    expect(object).toMatchObject({ apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadataList' });
    expect(object.items.map(item => [item.metadata.name, item.data])).toEqual([
      ['l1', undefined],
      ['l2', undefined],
    ]);
    const one = await call('GET', `${DEFAULT}/configmaps/l1`, undefined, METADATA);
    expect(one.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'l1' } });
    const notAList = await call('GET', `${DEFAULT}/configmaps/l1`, undefined, METADATA_LIST);
    expect(notAList.status).toBe(406);
    expect(notAList.body.toString()).toContain(
      'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)',
    );
  });

  test.each([
    { accept: PROTOBUF, kind: 'ConfigMap' },
    { accept: METADATA, kind: 'PartialObjectMetadata' },
  ])('a watch has a frame an event: $kind', async ({ accept, kind }) => {
    const { resourceVersion = '' } = (await call('GET', `${DEFAULT}/configmaps`)).object.metadata;
    const name = `w-${kind.toLowerCase()}`;
    await call('POST', `${DEFAULT}/configmaps`, configMap(name, {}));
    await call('DELETE', `${DEFAULT}/configmaps/${name}`);
    const query = `watch=1&timeoutSeconds=10&allowWatchBookmarks=true&resourceVersion=${resourceVersion}`;
    const { body, type } = await call('GET', `${DEFAULT}/configmaps?${query}`, undefined, accept, 2);
    expect(type).toBe(`${PROTOBUF};stream=watch`);
    expect(events(body).map(event => [event.type, event.object.kind, event.object.metadata.name])).toEqual([
      ['ADDED', kind, name],
      ['DELETED', kind, name],
    ]);
  });

  test('a watch list ends with a bookmark', async () => {
    const query =
      'watch=1&timeoutSeconds=10&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const sent = events((await call('GET', `${DEFAULT}/configmaps?${query}`, undefined, PROTOBUF, 3)).body);
    expect(sent.map(event => event.type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK']);
    expect(sent.at(-1)?.object).toMatchObject({
      kind: 'ConfigMap',
      metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
  });

  test('a Table has no protobuf form, and nothing is written for an answer that nobody takes', async () => {
    const table = await call('GET', `${DEFAULT}/configmaps`, undefined, `${PROTOBUF};as=Table;g=meta.k8s.io;v=v1`);
    expect([table.status, table.type]).toEqual([406, 'application/json']);
    expect((await call('POST', `${DEFAULT}/configmaps`, configMap('x', {}), 'text/plain')).status).toBe(406);
    expect((await call('GET', `${DEFAULT}/configmaps/x`)).status).toBe(404);
  });
});

test('discovery comes in protobuf to those who want nothing else', async () => {
  const { object, type } = await call('GET', '/apis/apps/v1');
  expect(type).toBe(PROTOBUF);
  expect(object).toMatchObject({ kind: 'APIResourceList', groupVersion: 'apps/v1' });
  expect(protobufObject((await call('GET', '/apis')).body, META, 'APIGroupList')).toMatchObject({
    kind: 'APIGroupList',
  });
});
