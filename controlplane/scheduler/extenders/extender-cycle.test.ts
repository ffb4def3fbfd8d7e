import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { settingsOf, withDefaults } from '../config/plan/settings.ts';
import { OneScheduler } from '../testdata/one-scheduler.ts';
import { HttpExtender } from './http-extender.ts';

type Body = Record<string, unknown> & { NodeNames: string[]; Pod: { metadata: { name: string } } };

let one: OneScheduler;
let stop: () => void;
beforeEach(async () => (one = await OneScheduler.serve()));
afterEach(async () => {
  stop();
  await one.close();
});

const bound = (name: string): Promise<string> => eventually(`${name} is bound`, () => one.nodeOf(name));

/** Runs the scheduler with one extender. @returns verbs and pods that it was asked about */
async function runWith(settings: object, answer: (verb: string, body: Body, response: ServerResponse) => unknown) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const verb = (request.url ?? '').slice(1);
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Body;
      asked.push(`${verb} ${body.Pod?.metadata.name ?? String(body['PodName'])}`);
      void Promise.resolve(answer(verb, body, response)).then(
        said => said !== undefined && response.end(JSON.stringify(said)),
      );
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  stop = () => server.closeAllConnections() ?? server.close();
  const urlPrefix = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const extender = { urlPrefix, nodeCacheCapable: true, ...settings };
  const { extenders, profiles } = settingsOf(withDefaults({ extenders: [extender] }));
  one.run({
    profiles,
    extenders: extenders.map(each => new HttpExtender(each)),
    podInitialBackoffMs: 20,
    podMaxBackoffMs: 50,
  });
  return asked;
}

test('an extender filters, scores and binds', async () => {
  for (const name of ['a', 'b', 'c']) await one.node(name);
  const verbs = { filterVerb: 'filter', prioritizeVerb: 'prioritize', bindVerb: 'bind', weight: 100 };
  const asked = await runWith(verbs, async (verb, body) => {
    if (verb === 'filter') return { NodeNames: body.NodeNames.filter(name => name !== 'a'), FailedNodes: { a: 'no' } };
    if (verb === 'prioritize') return body.NodeNames.map(Host => ({ Host, Score: Host === 'c' ? 10 : 0 }));
    const { PodName: name = '', PodUID: uid, Node } = body as { PodName?: string; PodUID?: string; Node?: string };
    const target = { apiVersion: 'v1', kind: 'Node', name: Node };
    const ref = { namespace: one.namespace, name };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { ...ref, uid }, target };
    await one.client.of(pods).createSubresource(ref, 'binding', binding);
    return {};
  });
  await one.pod('p');
  expect(await bound('p')).toBe('c');
  expect(asked).toEqual(['filter p', 'prioritize p', 'bind p']);
});

test('a pod that no node is left for is told of the extender and of plugins, and is tried again when something changes', async () => {
  for (const name of ['a', 'b']) await one.node(name);
  await one.node('small', '0');
  let refuses = true;
  await runWith({ filterVerb: 'filter' }, (_verb, { NodeNames }) =>
    refuses ? { NodeNames: [], FailedNodes: { a: 'full of bees', b: 'full of bees' } } : { NodeNames },
  );
  await one.pod('p');
  expect(await eventually('p waits', () => one.waitsFor('p'))).toContain(
    '0/3 nodes are available: 1 Insufficient cpu, 2 full of bees.',
  );
  refuses = false;
  await one.node('later', '0');
  expect(['a', 'b']).toContain(await bound('p'));
});

test('a dead extender stops the pods that are its business, and nobody else', async () => {
  await one.node('a', '50');
  const settings = { filterVerb: 'filter', managedResources: [{ name: 'example.com/x', ignoredByScheduler: true }] };
  const asked = await runWith({ ...settings, httpTimeout: '300ms' }, () => undefined);
  const amounts = { cpu: '1m', 'example.com/x': '1' };
  const containers = [{ name: 'c', image: 'i', resources: { requests: amounts, limits: { 'example.com/x': '1' } } }];
  for (let i = 0; i < 20; i++) await one.pod(`x${i}`, '1', { containers });
  await eventually('it was asked', () => asked[0]);
  for (let i = 0; i < 5; i++) await one.pod(`p${i}`);
  for (let i = 0; i < 5; i++) expect(await bound(`p${i}`)).toBe('a');
  expect(asked.every(call => call.startsWith('filter x'))).toBe(true);
  expect(await eventually('x0 is told', () => one.waitsFor('x0'))).toMatch(
    /^SchedulerError: extender http.*: filter failed: no answer after 300 ms/,
  );
});

test('pods that go while they wait for their turn are not asked about', async () => {
  for (const name of ['a', 'b']) await one.node(name, '50');
  let open: () => void = () => undefined;
  const opened = new Promise<void>(resolve => (open = resolve));
  const asked = await runWith({ filterVerb: 'filter' }, async (_verb, { NodeNames }) => {
    await opened;
    return { NodeNames };
  });
  const names = Array.from({ length: 19 }, (_, i) => `p${i}`);
  for (const name of names) await one.pod(name, '1');
  await eventually('sixteen are asked about', () => (asked.length === 16 ? true : undefined));
  for (const name of names.slice(16, 18)) await one.client.of(pods).delete({ namespace: one.namespace, name });
  open();
  for (const name of [...names.slice(0, 16), 'p18']) await bound(name);
  expect(asked.filter(call => call === 'filter p16' || call === 'filter p17')).toEqual([]);
});
