/** What our nftables table says of a service: the way of its packets, and what differs from what is wanted. */
import type { NftSavedChain, NftSavedElement, NftSavedTable } from '../../node-iptables/plan/nft-ruleset.ts';
import { statementsText } from '../../node-iptables/plan/nft-statement.ts';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import type { NodeModel, ServicePortModel } from './model.ts';
import { baseRules, sharedChainsOf } from './nftables-base.ts';
import { LOCAL_SLOTS, endpointMap } from './nftables-names.ts';
import { elementsOf } from './nftables-service.ts';
import type { NftPort, NftTarget } from './nftables-service.ts';
import { addressTitle, nodePortTitle } from './packet-path.ts';
import type { PathStep, RuleDifference } from './packet-path.ts';

/** Elements of one map by key. */
type Elements = ReadonlyMap<string, NftSavedElement>;

/** A table whose elements are looked up many times. */
export class NftListing {
  readonly chains: ReadonlyMap<string, NftSavedChain>;
  private readonly table: NftSavedTable | undefined;
  private readonly byKey = new Map<string, Elements>();

  constructor(table: NftSavedTable | undefined) {
    this.table = table;
    this.chains = table?.chains ?? new Map();
  }

  /** Empty if there is no such map. */
  elements(map: string): Elements {
    let elements = this.byKey.get(map);
    if (elements === undefined) {
      elements = new Map(this.table?.sets.get(map)?.elements.map(element => [element.key, element]));
      this.byKey.set(map, elements);
    }
    return elements;
  }
}

/** @param ports as the kernel has them, as far as we know, each with its model */
export function nftPath(listing: NftListing, ports: readonly (readonly [NftPort, ServicePortModel])[]): PathStep[] {
  return ports.flatMap(([port, model]) => port.targets.map(target => targetStep(listing, port, target, model)));
}

function targetStep(listing: NftListing, port: NftPort, target: NftTarget, model: ServicePortModel): PathStep {
  const element = listing.elements(target.map).get(target.key);
  return {
    title: targetTitle(target, model),
    rule: element === undefined ? undefined : elementRule(target.map, element),
    next: element?.value === undefined ? [] : verdictSteps(listing, port, target, element.value, new Set()),
  };
}

function targetTitle(target: NftTarget, model: ServicePortModel): string {
  if (target.map === 'node-ports') return nodePortTitle(model);
  return addressTitle(target.key.slice(0, target.key.indexOf(' ')), model);
}

function verdictSteps(
  listing: NftListing,
  port: NftPort,
  target: NftTarget,
  verdict: string,
  seen: ReadonlySet<string>,
): PathStep[] {
  const name = /(?:goto|jump) "?([^"\s]+)"?$/.exec(verdict)?.[1];
  if (name === undefined || seen.has(name)) return [];
  const chain = listing.chains.get(name);
  if (chain === undefined) return [{ title: `chain ${name}`, rule: undefined, next: [] }];
  const path = new Set([...seen, name]);
  return chain.rules.flatMap(({ statements, counters }) => {
    const rule = statementsText(statements);
    const map = endpointMap(target.map, port.transport);
    // A shared chain has a rule for each protocol.
    if (rule.includes('dnat') && /endpoints-(tcp|udp|sctp)/.test(rule) && !rule.includes(`@${map}`)) return [];
    const next = rule.includes(`@${map}`)
      ? endpointSteps(listing, map, target, name.includes('local-endpoints'))
      : verdictSteps(listing, port, target, rule, path);
    return [{ title: `chain ${name}`, rule, ...(counters === undefined ? {} : { counters }), next }];
  });
}

function endpointSteps(listing: NftListing, map: string, target: NftTarget, isLocal: boolean): PathStep[] {
  const elements = listing.elements(map);
  const steps: PathStep[] = [];
  const first = isLocal ? LOCAL_SLOTS : 0;
  for (let slot = first; ; slot++) {
    const element = elements.get(`${target.endpointKey} . ${slot}`);
    if (element === undefined) return steps;
    const [ip = '', port = ''] = (element.value ?? '').split(' . ');
    const counted = element.counters === undefined ? {} : { counters: element.counters };
    steps.push({
      title: `endpoint ${hostPort(ip, Number(port))}`,
      rule: elementRule(map, element),
      ...counted,
      next: [],
    });
  }
}

function elementRule(map: string, { key, value }: NftSavedElement): string {
  return `@${map} { ${key}${value === undefined ? '' : ` : ${value}`} }`;
}

/** What differs. @param services what is wanted of each, by name */
export function compareNft(
  listing: NftListing,
  services: Iterable<readonly [service: string, ports: readonly NftPort[]]>,
  node: NodeModel,
): RuleDifference[] {
  const differences: RuleDifference[] = [];
  const wanted = new Map<string, Set<string>>();
  const chains = new Map<string, { readonly rules: readonly string[]; readonly service?: string }>();
  const leadsTo = new Set<string>();
  for (const [chain, rules] of baseRules(node)) chains.set(chain, { rules });
  for (const [service, ports] of services) {
    for (const port of ports) {
      for (const [set, key, value] of elementsOf(port)) {
        keysOf(wanted, set).add(key);
        if (value.startsWith('goto ')) leadsTo.add(value);
        const found = listing.elements(set).get(key);
        const where = `map ${set}`;
        const text = `${key} : ${value}`;
        if (found === undefined) differences.push({ service, kind: 'missing', where, wanted: text });
        else if (found.value?.replaceAll('"', '') !== value)
          differences.push({ service, kind: 'different', where, wanted: text, found: `${key} : ${found.value}` });
      }
      for (const [chain, rules] of port.chains) {
        chains.set(chain, { rules, service });
        for (const rule of rules) leadsTo.add(rule);
      }
    }
  }
  for (const [chain, rules] of sharedChainsOf(leadsTo, node)) chains.set(chain, { rules });
  for (const [name, { rules, service }] of chains) {
    const found = listing.chains.get(name)?.rules.length;
    if (found === rules.length) continue;
    differences.push({
      ...(service === undefined ? {} : { service }),
      kind: found === undefined ? 'missing' : 'different',
      where: `chain ${name}`,
      wanted: `${rules.length} rules`,
      ...(found === undefined ? {} : { found: `${found} rules` }),
    });
  }
  for (const map of ['service-ips', 'node-ports']) {
    for (const element of listing.elements(map).values()) {
      if (wanted.get(map)?.has(element.key) === true) continue;
      const [service] = (element.comment ?? '').split(':');
      const known = service === undefined || service === '' ? {} : { service };
      differences.push({
        ...known,
        kind: 'unexpected',
        where: `map ${map}`,
        found: `${element.key} : ${element.value}`,
      });
    }
  }
  return differences;
}

function keysOf(sets: Map<string, Set<string>>, name: string): Set<string> {
  let keys = sets.get(name);
  if (keys === undefined) sets.set(name, (keys = new Set()));
  return keys;
}
