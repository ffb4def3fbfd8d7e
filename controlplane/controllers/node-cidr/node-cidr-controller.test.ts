/** The controller alone, on the real API server. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Node } from '../../../proto/api/core-v1.ts';
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { nodes } from '../../../machinery/client/resource.ts';
import { SharedInformerFactory } from '../../../machinery/client/shared-informer.ts';
import { generateKeyPem } from '../../../machinery/pki/certificate.ts';
import { systemClock as clock } from '../../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../../machinery/process/logger.ts';
import { createApiServer } from '../../apiserver/api-server.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { NodeCidrController } from './node-cidr-controller.ts';

const stop = new AbortController();
const server = createApiServer({
  store: new MemoryStore(clock),
  clock,
  logger,
  advertiseAddress: '127.0.0.1',
  serviceAccountKeys: { signingKey: generateKeyPem() },
});
const client = new RestClient(server.inProcess({ name: 'admin', groups: ['system:masters'] }));
const running: Promise<void>[] = [];
const told: string[] = [];

beforeAll(async () => {
  running.push(server.run(stop.signal));
  await server.ready();
  await make('old', { podCIDR: '10.9.1.0/24', podCIDRs: ['10.9.1.0/24', 'fd00:9:0:1::/64'] });
  const informers = new SharedInformerFactory({ client, clock, logger });
  const events = { event: (_subject: unknown, _type: string, reason: string) => void told.push(reason) };
  const clusterCidrs = ['10.9.0.0/22', 'fd00:9::/62'];
  const controller = new NodeCidrController({ client, informers, events, clock, logger }, { clusterCidrs });
  running.push(informers.run(stop.signal), controller.run(stop.signal));
});

afterAll(async () => {
  stop.abort();
  await Promise.all(running);
});

const make = (name: string, spec: Node['spec'] = {}) => client.of(nodes).create({ metadata: { name }, spec });

async function eventually<R>(what: string, look: () => Promise<R | undefined>): Promise<R> {
  for (const untilMs = Date.now() + 10_000; Date.now() < untilMs;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  throw new Error(`never: ${what}`);
}

const rangesOf = (name: string): Promise<readonly string[]> =>
  eventually(`a range for ${name}`, async () => (await client.of(nodes).get({ name })).spec?.podCIDRs);

test('nodes that come at once get ranges of both families that nobody else has', async () => {
  await Promise.all([make('a'), make('b'), make('c')]);
  const all = await Promise.all(['old', 'a', 'b', 'c'].map(rangesOf));
  expect(all.map(([first]) => first).sort()).toEqual(['10.9.0.0/24', '10.9.1.0/24', '10.9.2.0/24', '10.9.3.0/24']);
  expect(all.map(([, second]) => second).sort()).toEqual([
    'fd00:9:0:1::/64',
    'fd00:9:0:2::/64',
    'fd00:9:0:3::/64',
    'fd00:9::/64',
  ]);
});

test('a node for which there is none is told of, and gets what another one leaves', async () => {
  await make('late');
  await eventually('told', () => Promise.resolve(told.includes('CIDRNotAvailable') || undefined));
  const freed = await rangesOf('b');
  await client.of(nodes).delete({ name: 'b' });
  expect(await rangesOf('late')).toEqual(freed);
});
