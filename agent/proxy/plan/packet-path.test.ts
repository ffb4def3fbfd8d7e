import { expect, test } from '@jest/globals';
import type { NftSavedTable } from '../../node-iptables/plan/nft-ruleset.ts';
import { parseSave } from '../../node-iptables/plan/parse-save.ts';
import { testNode } from '../testdata/objects.ts';
import { readKernel } from './iptables-kernel.ts';
import { RuleLedger } from './iptables-ledger.ts';
import { compareIptables, iptablesPath } from './iptables-path.ts';
import { renderService } from './iptables-render.ts';
import type { ServicePortModel } from './model.ts';
import { baseRules, sharedChainsOf } from './nftables-base.ts';
import { NftListing, compareNft, nftPath } from './nftables-path.ts';
import { elementsOf, planNftService } from './nftables-service.ts';
import type { PathStep } from './packet-path.ts';

const web: ServicePortModel = {
  name: 'default/web:http',
  protocol: 'TCP',
  port: 80,
  clusterIP: '10.96.0.20',
  externalIPs: [],
  loadBalancerIPs: [],
  sourceRanges: [],
  nodePort: 30080,
  internalPolicy: 'Cluster',
  externalPolicy: 'Cluster',
  clusterEndpoints: [
    { ip: '10.244.0.3', port: 8080, local: true },
    { ip: '10.244.1.4', port: 8080, local: false },
  ],
  localEndpoints: [],
};

const endpoints = ['endpoint 10.244.0.3:8080', 'endpoint 10.244.1.4:8080'];

const titles = (steps: readonly PathStep[]): string[] => steps.flatMap(({ title, next }) => [title, ...titles(next)]);
const missing = (steps: readonly PathStep[]): string[] =>
  steps.flatMap(({ title, rule, next }) => [...(rule === undefined ? [title] : []), ...missing(next)]);

/** A table as the kernel would list it after our write, rules as words that nobody parses. */
function nftTable(): NftSavedTable {
  const ports = planNftService([web], [], testNode);
  const sets = new Map<string, NftSavedTable['sets'] extends Map<string, infer S> ? S : never>();
  const leadsTo = new Set<string>();
  for (const [name, key, value] of ports.flatMap(port => [...elementsOf(port)])) {
    const before = sets.get(name)?.elements ?? [];
    const element = { key, value, counters: { packets: 7, bytes: 420 }, comment: web.name };
    sets.set(name, { kind: 'map', name, handle: 1, type: '', flags: [], elements: [...before, element] });
    leadsTo.add(value);
  }
  const chains = new Map([...baseRules(testNode), ...sharedChainsOf(leadsTo, testNode)]);
  return {
    family: 'ip',
    name: 'k8ts-proxy',
    handle: 1,
    sets,
    others: [],
    chains: new Map(
      [...chains].map(([name, rules]) => [
        name,
        { name, handle: 1, rules: rules.map((text, handle) => ({ handle, statements: [statementOf(text)] })) },
      ]),
    ),
  };
}

function statementOf(rule: string): Record<string, unknown> {
  const target = /goto (\S+)$/.exec(rule)?.[1];
  if (target !== undefined) return { goto: { target } };
  const map = /map (@\S+)$/.exec(rule)?.[1];
  return map === undefined ? { accept: null } : { dnat: { addr: { map: { key: 'x', data: map } } } };
}

const nftPorts = planNftService([web], [], testNode).map(port => [port, web] as const);

test('nftables: a path leads from each address of a service to its endpoints, with their counters', () => {
  const path = nftPath(new NftListing(nftTable()), nftPorts);
  expect(path.map(({ title }) => title)).toEqual(['cluster IP 10.96.0.20:80/TCP', 'node port 30080/TCP']);
  for (const step of path) expect(titles([step]).filter(title => title.startsWith('endpoint'))).toEqual(endpoints);
  expect(missing(path)).toEqual([]);
  expect(JSON.stringify(path)).toContain('"packets":7');
});

test('nftables: what is missing in the kernel is shown, and told by the comparison with what is there too much', () => {
  const table = nftTable();
  const ips = table.sets.get('service-ips');
  table.sets.set('service-ips', {
    ...(ips ?? { kind: 'map', name: 'service-ips', handle: 1, type: '', flags: [] }),
    elements: [{ key: '10.96.0.99 . tcp . 80', value: 'drop', comment: 'default/gone:http' }],
  });
  table.chains.delete('node-port-2');
  const listing = new NftListing(table);
  expect(missing(nftPath(listing, nftPorts))).toEqual(['cluster IP 10.96.0.20:80/TCP', 'chain node-port-2']);
  const services = [['default/web', nftPorts.map(([port]) => port)]] as const;
  expect(compareNft(new NftListing(nftTable()), services, testNode)).toEqual([]);
  expect(compareNft(listing, services, testNode)).toEqual([
    {
      service: 'default/web',
      kind: 'missing',
      where: 'map service-ips',
      wanted: '10.96.0.20 . tcp . 80 : goto cluster-ip-2',
    },
    { kind: 'missing', where: 'chain node-port-2', wanted: '2 rules' },
    {
      service: 'default/gone',
      kind: 'unexpected',
      where: 'map service-ips',
      found: '10.96.0.99 . tcp . 80 : drop',
    },
  ]);
});

/** What `iptables-save -c` prints of the nat table after our write. */
function natText(drop: string): string {
  const { chains, shared } = renderService([web], testNode);
  const lists = new Map<string, string[]>([...chains].map(([name, rules]) => [name, [...rules]]));
  for (const { branch, rule } of shared)
    if (branch.table === 'nat') lists.set(branch.chain, [...(lists.get(branch.chain) ?? []), rule]);
  const names = [...lists.keys()].map(name => `:${name} - [0:0]`);
  const rules = [...lists].flatMap(([name, list]) => list.map(rule => `[7:420] -A ${name} ${rule}`));
  return ['*nat', ...names, ...rules.filter(rule => drop === '' || !rule.includes(drop)), 'COMMIT', ''].join('\n');
}

test('iptables: a path leads from each address of a service to its endpoints, with the counters of each rule', () => {
  const rules = renderService([web], testNode);
  const path = iptablesPath(parseSave(natText('')), [{ model: web, rules }]);
  expect(path.map(({ title }) => title.replace(/,.*/, ''))).toEqual([
    'cluster IP 10.96.0.20:80/TCP',
    'node port 30080/TCP',
  ]);
  for (const step of path) expect(titles([step]).filter(title => title.startsWith('endpoint'))).toEqual(endpoints);
  expect(missing(path)).toEqual([]);
  expect(path[0]?.counters).toEqual({ packets: 7, bytes: 420 });
  const without = iptablesPath(parseSave(natText('-d 10.96.0.20')), [{ model: web, rules }]);
  expect(missing(without).map(title => title.replace(/,.*/, ''))).toEqual(['cluster IP 10.96.0.20:80/TCP']);
});

test('iptables: the comparison tells chains that are gone, others and new', () => {
  const rules = renderService([web], testNode);
  const [svc = ''] = rules.chains.keys();
  const table = (text: string) => readKernel('nat', text.replaceAll(/^\[7:420\] /gm, ''));
  const none = { ours: new Map(), foreign: new Map() };
  const text = natText('');
  const ledger = new RuleLedger({ nat: none, filter: none }, testNode);
  const compare = (live: string) =>
    compareIptables({ nat: table(live), filter: none }, ledger, [['default/web', rules]]);
  expect(compare(text)).toEqual([]);
  const emptied = text.replaceAll(new RegExp(`^.*-A ${svc} .*\n`, 'gm'), '');
  expect(compare(emptied)).toEqual([
    expect.objectContaining({ service: 'default/web', kind: 'different', found: '0 rules' }),
  ]);
  expect(compare(emptied.replace(new RegExp(`^:${svc} .*\n`, 'm'), ''))).toEqual([
    expect.objectContaining({ kind: 'missing', where: `chain ${svc} of table nat` }),
  ]);
  expect(compare(text.replace('*nat\n', '*nat\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n'))).toEqual([
    { kind: 'unexpected', where: 'chain KUBE-SVC-AAAAAAAAAAAAAAAA of table nat', found: '0 rules' },
  ]);
});
