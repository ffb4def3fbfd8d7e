/** What the nftables back end alone does, in a network namespace of its own. Where packets go is the suite's of all back ends. Needs root. */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { silentLogger } from '../../machinery/process/logger.ts';
import { run } from '../host/exec.ts';
import { Nftables } from '../node-iptables/index.ts';
import type { ServiceUpdate } from './backend.ts';
import { NftablesBackend } from './nftables-backend.ts';
import type { ServicePortModel } from './plan/model.ts';
import { Lab } from './testdata/lab.ts';
import { testNode } from './testdata/objects.ts';

const lab = new Lab(`pn${process.pid}`);
const prefix = lab.in('node');
const nft = new Nftables('ip', 'k8ts-proxy', { prefix });

beforeAll(() => lab.up(), 60_000);
afterAll(() => lab.down());
beforeEach(() => nft.apply([{ kind: 'removeTable' }]));

function backEnd(words = prefix): NftablesBackend {
  return new NftablesBackend({ family: 'IPv4', node: () => testNode, log: silentLogger, prefix: words });
}

function update(n: number, change: Partial<ServicePortModel> = {}): ServiceUpdate {
  const endpoint = (ip: string) => ({ ip, port: 8080, local: true });
  return {
    service: `default/s${n}`,
    ports: [
      {
        name: `default/s${n}:http`,
        protocol: 'TCP',
        port: 80,
        clusterIP: `10.96.${n >> 8}.${n & 255}`,
        externalIPs: [],
        loadBalancerIPs: [],
        sourceRanges: [],
        internalPolicy: 'Cluster',
        externalPolicy: 'Cluster',
        clusterEndpoints: [endpoint('10.244.0.3'), endpoint('10.244.0.4')],
        localEndpoints: [],
        ...change,
      },
    ],
  };
}

const many = (count: number): ServiceUpdate[] => Array.from({ length: count }, (_, i) => update(i + 1));

test('every connection is counted at the endpoint that it went to', async () => {
  const proxy = backEnd();
  await proxy.replaceAll([update(1), update(2)]);
  await lab.fetch('client', '10.96.0.1', 80, { count: 40 });
  const elements = (await nft.listSet('map', 'endpoints-tcp'))?.elements ?? [];
  const packets = (service: string) =>
    elements.filter(e => e.key.startsWith(`${service} `)).map(e => e.counters?.packets ?? NaN);
  expect(packets('10.96.0.1').reduce((sum, count) => sum + count)).toBe(40);
  expect(Math.min(...packets('10.96.0.1'))).toBeGreaterThan(0);
  expect(packets('10.96.0.2')).toEqual([0, 0]);
});

test('of hundreds the ones at fault are left out and named, at start and later', async () => {
  const proxy = backEnd();
  const bad = [update(77, { clusterIP: '10.96.0.77/33' }), update(200, { name: 'default/s200:"' })];
  const services = many(300).map(one => bad.find(({ service }) => service === one.service) ?? one);
  await proxy.replaceAll(services);
  expect([...proxy.refused.keys()].sort()).toEqual(['default/s200', 'default/s77']);
  expect(proxy.refused.get('default/s77')).toContain('10.96.0.77/33');
  expect((await nft.listSet('map', 'service-ips'))?.elements).toHaveLength(298);
  await proxy.update([update(301), update(302, { clusterIP: '10.96.0.1/33' }), update(77)]);
  expect([...proxy.refused.keys()].sort()).toEqual(['default/s200', 'default/s302']);
  expect((await nft.listSet('map', 'service-ips'))?.elements).toHaveLength(300);
  expect(await proxy.hasDrifted()).toBe(false);
}, 60_000);

test('a table of another version is replaced, whatever it holds', async () => {
  await run([
    ...prefix,
    'nft',
    'table ip k8ts-proxy { map service-ips { type ipv4_addr : verdict; }; chain old { drop; }; }',
  ]);
  await backEnd().replaceAll([update(1)]);
  expect(await nft.chainNames()).not.toContain('old');
  expect(await lab.fetch('client', '10.96.0.1', 80)).toEqual([expect.stringContaining('pod')]);
});

test('chains that nobody leads to any more go with the next full write', async () => {
  const proxy = backEnd();
  await proxy.replaceAll([update(1), update(2, { affinitySeconds: 60 })]);
  const before = await nft.chainNames();
  expect([...before].filter(chain => chain.includes('default/s2/tcp'))).not.toEqual([]);
  await backEnd().replaceAll([update(1, { clusterEndpoints: [{ ip: '10.244.0.3', port: 8080, local: true }] })]);
  const after = [...(await nft.chainNames())];
  expect(after).toEqual(expect.arrayContaining(['cluster-ip-1', 'endpoints-1']));
  expect(after.filter(chain => chain.includes('default/') || chain.endsWith('-2'))).toEqual([]);
});

test.each([
  ['the table', 'delete table ip k8ts-proxy'],
  ['all rules of all', 'flush ruleset'],
  ['rules of our table', 'flush table ip k8ts-proxy'],
  ['a chain that services share', 'flush chain ip k8ts-proxy endpoints-2'],
  ['the way to services', 'flush map ip k8ts-proxy service-ips'],
  ['endpoints', 'flush map ip k8ts-proxy endpoints-tcp'],
])('a foreign hand is noticed: %s', async (_what, command) => {
  const proxy = backEnd();
  await proxy.replaceAll(many(5));
  await proxy.update([update(6)]);
  expect(await proxy.hasDrifted()).toBe(false);
  await run([...prefix, 'nft', command]);
  expect(await proxy.hasDrifted()).toBe(true);
  // What was to change is gone: all is to be written again, and no service is to blame.
  if (command.startsWith('delete') || command.includes('service-ips'))
    await expect(proxy.update([{ service: 'default/s1', ports: [] }])).rejects.toMatchObject({ failure: 'refused' });
  expect([...proxy.refused]).toEqual([]);
  await proxy.replaceAll(many(5));
  expect(await proxy.hasDrifted()).toBe(false);
});

test('without nft nothing is said to be written', async () => {
  const proxy = backEnd(['/nowhere/nsenter']);
  await expect(proxy.replaceAll([update(1)])).rejects.toMatchObject({ failure: 'missing' });
  expect([...proxy.refused]).toEqual([]);
});
