/**
 * What invalid creates and updates are answered, all causes at once. The rows of testdata/upstream-*.json were sent to upstream's own API server
 * (v1.20.2) too: its answers differ only where 1.36 has other rules or other words. Long messages are cut off in the rows.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { ApiRequest, Transport } from '../../machinery/client/transport.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { startServer, type RunningServer } from './testdata/running-server.ts';

/** Path without its namespace, object, causes; no causes: accepted. */
type Row = readonly [path: string, object: object, causes: readonly string[]];

/** An object, and what merge patches of it or of its subresources cause. */
interface Updates {
  readonly path: string;
  readonly object: object;
  readonly changes: readonly (readonly [subresource: string, patch: object, causes: readonly string[]])[];
}

const rows = read('upstream-causes.json') as readonly Row[];
const updates = read('upstream-update-causes.json') as readonly Updates[];
let running: RunningServer;
let admin: Transport;

beforeAll(async () => {
  running = await startServer({ serviceCIDR: '10.96.0.0/16' });
  admin = running.admin;
  await admin.call({
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts',
    body: { metadata: { name: 'default' } },
  });
});

afterAll(() => running.stop());

describe.each(updates)('an update of $path', ({ path, object, changes }) => {
  const name = (object as { metadata: { name: string } }).metadata.name;

  beforeAll(async () => {
    await admin
      .call({ method: 'DELETE', path: `${path}/${name}`, body: { gracePeriodSeconds: 0 } })
      .catch(() => undefined);
    await admin.call({ method: 'POST', path, body: object });
  });

  test.each(changes)('%s by %j', async (subresource, patch, expected) => {
    const place = [path, name, ...(subresource === '' ? [] : [subresource])].join('/');
    const contentType = 'application/merge-patch+json';
    const causes = await causesOf({ method: 'PATCH', path: place, body: patch, contentType });
    expect(cutLike(causes, expected)).toEqual(expected);
  });
});

test.each(rows)('a create of %s %j', async (path, object, expected) => {
  const place = isClusterWide(path) ? path : path.replace(/\/([^/]+)$/, '/namespaces/default/$1');
  const causes = await causesOf({ method: 'POST', path: place, body: object });
  expect(cutLike(causes, expected)).toEqual(expected);
});

async function causesOf(call: ApiRequest): Promise<string[]> {
  try {
    await admin.call({ ...call, query: { dryRun: 'All' } });
    return [];
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const causes = (error.details?.causes ?? []).map(({ field = '', message = '' }) => `${field}: ${message}`);
    return causes.length > 0 ? causes.sort() : [error.message];
  }
}

function cutLike(causes: readonly string[], expected: readonly string[]): string[] {
  return causes.map((cause, i) => cause.slice(0, expected[i]?.length));
}

function isClusterWide(path: string): boolean {
  return /\/(namespaces|nodes)$/.test(path);
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(`testdata/${file}`, import.meta.url), 'utf8'));
}
