/**
 * What creates of invalid objects are answered, all causes at once. The rows of testdata/upstream-causes.json were posted to upstream's own API server
 * (v1.20.2) too: its answers differ only where 1.36 has other rules or other words. Long messages are cut off in the rows.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { Transport } from '../../machinery/client/transport.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { generateKeyPem } from '../../machinery/pki/certificate.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { MemoryStore } from '../store/memory/memory-store.ts';
import { createApiServer } from './api-server.ts';

/** Path without its namespace, object, causes; no causes: accepted. */
type Row = readonly [path: string, object: object, causes: readonly string[]];

const rows = JSON.parse(
  readFileSync(new URL('testdata/upstream-causes.json', import.meta.url), 'utf8'),
) as readonly Row[];
const stop = new AbortController();
let stopped: Promise<void>;
let admin: Transport;

beforeAll(async () => {
  const server = createApiServer({
    store: new MemoryStore(systemClock),
    clock: systemClock,
    logger: silentLogger,
    advertiseAddress: '10.1.2.3',
    serviceCIDR: '10.96.0.0/16',
    serviceAccountKeys: { signingKey: generateKeyPem() },
  });
  stopped = server.run(stop.signal);
  await server.ready();
  admin = server.inProcess({ name: 'admin', groups: ['system:masters'] });
  await admin.call({
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts',
    body: { metadata: { name: 'default' } },
  });
});

afterAll(async () => {
  stop.abort();
  await stopped;
});

test.each(rows)('%s %j', async (path, object, expected) => {
  const causes = await causesOf(path, object);
  expect(causes.map((cause, i) => cause.slice(0, expected[i]?.length))).toEqual(expected);
});

async function causesOf(path: string, object: object): Promise<string[]> {
  try {
    const place = isClusterWide(path) ? path : path.replace(/\/([^/]+)$/, '/namespaces/default/$1');
    await admin.call({ method: 'POST', path: place, query: { dryRun: 'All' }, body: object });
    return [];
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const causes = (error.details?.causes ?? []).map(({ field = '', message = '' }) => `${field}: ${message}`);
    return causes.length > 0 ? causes.sort() : [error.message];
  }
}

function isClusterWide(path: string): boolean {
  return /\/(namespaces|nodes)$/.test(path);
}
