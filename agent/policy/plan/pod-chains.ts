/**
 * The chains of one pod: the union of what all policies that select it let through, in each direction that one of them speaks of.
 * Source: kubernetes.io/docs, "Network Policies", the two sorts of pod isolation.
 */
import { createHash } from 'node:crypto';
import { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { CompiledPeer, CompiledPolicy, CompiledPort, CompiledRule } from './compile-policy.ts';
import type {
  AllowRule,
  Direction,
  PeerMatch,
  PolicyChain,
  PortMatch,
  PortRange,
  Protocol,
  SetContent,
} from './model.ts';
import { selectorText } from './peer-selector.ts';
import type { PeerSelector, PortOfPods } from './peer-selector.ts';
import type { PolicyPod } from './pod-facts.ts';

/** A set that rules look into, and what is in it. */
export type SetSource = { readonly name: string; readonly family: IpFamily; readonly content: SetContent } & (
  { readonly cidrs: readonly string[] } | { readonly selector: PeerSelector; readonly port: PortOfPods | undefined }
);

/** A chain and the sets that it needs. */
export interface PlannedChain {
  readonly chain: PolicyChain;
  readonly sources: readonly SetSource[];
}

const EVERY_POD: PeerSelector = { namespaces: { selector: LabelSelector.everything }, pods: LabelSelector.everything };

/**
 * @param policies those that select the pod
 * @returns undefined where the direction is open
 */
export function planChain(
  pod: PolicyPod,
  direction: Direction,
  family: IpFamily,
  policies: readonly CompiledPolicy[],
): PlannedChain | undefined {
  const rules = policies.flatMap(policy => (policy[direction] === undefined ? [] : [policy[direction]])).flat();
  if (!policies.some(policy => policy[direction] !== undefined)) return undefined;
  const sources = new Map<string, SetSource>();
  const allowed = new Map<string, AllowRule>();
  for (const rule of rules) {
    for (const allow of allowRules(rule, pod, direction, family, sources)) allowed.set(JSON.stringify(allow), allow);
  }
  const sorted = [...allowed].sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.some(([, { peer, port }]) => peer.kind === 'any' && port.kind === 'any')) return undefined;
  const name = `${direction === 'ingress' ? 'i' : 'e'}${digit(family)}-${hash(sorted.map(([text]) => text).join())}`;
  return {
    chain: { name, direction, family, rules: sorted.map(([, allow]) => allow) },
    sources: [...sources.values()],
  };
}

function allowRules(
  rule: CompiledRule,
  pod: PolicyPod,
  direction: Direction,
  family: IpFamily,
  sources: Map<string, SetSource>,
): AllowRule[] {
  const use = (source: SetSource): string => {
    sources.set(source.name, source);
    return source.name;
  };
  const numbers = numberedPorts(rule.ports, direction === 'ingress' ? pod : undefined);
  // At the other end names are the other pods' own.
  const named = direction === 'egress' ? rule.ports.filter(port => port.kind === 'named') : [];
  return rule.peers.flatMap(peer => {
    if (peer.kind === 'networks' && (peer.family !== family || peer.cidrs.length === 0)) return [];
    const match = (): PeerMatch => peerMatch(peer, family, use);
    return [
      ...numbers.map(port => ({ peer: match(), port })),
      ...named.map(port => {
        const selector = peer.kind === 'pods' ? peer.selector : EVERY_POD;
        const set = use(portSet(selector, { name: port.name, protocol: port.protocol }, family));
        return {
          peer: peer.kind === 'networks' ? match() : ({ kind: 'any' } as const),
          port: { kind: 'named', set } as const,
        };
      }),
    ];
  });
}

function peerMatch(peer: CompiledPeer, family: IpFamily, use: (source: SetSource) => string): PeerMatch {
  switch (peer.kind) {
    case 'any':
      return peer;
    case 'pods': {
      const { selector } = peer;
      const name = `p${digit(family)}-${hash(selectorText(selector))}`;
      return { kind: 'set', set: use({ name, family, content: 'addresses', selector, port: undefined }) };
    }
    case 'networks': {
      const { cidrs } = peer;
      const name = `b${digit(family)}-${hash(cidrs.join())}`;
      return { kind: 'set', set: use({ name, family, content: 'networks', cidrs }) };
    }
  }
}

function portSet(selector: PeerSelector, port: PortOfPods, family: IpFamily): SetSource {
  const name = `n${digit(family)}-${hash(`${selectorText(selector)} port ${port.name} ${port.protocol}`)}`;
  return { name, family, content: 'namedPorts', selector, port };
}

/** @param owner the pod whose names are meant; without one, names are left out */
function numberedPorts(ports: readonly CompiledPort[], owner: PolicyPod | undefined): PortMatch[] {
  if (ports.some(port => port.kind === 'any')) return [{ kind: 'any' }];
  const byProtocol = new Map<Protocol, PortRange[]>();
  const add = (protocol: Protocol, range: PortRange): void => {
    byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), range]);
  };
  for (const port of ports) {
    if (port.kind === 'range') add(port.protocol, port.range);
    if (port.kind !== 'named') continue;
    for (const { name, protocol, port: number } of owner?.ports ?? [])
      if (name === port.name && protocol === port.protocol) add(protocol, { from: number, to: number });
  }
  return [...byProtocol].map(([protocol, ranges]) => ({ kind: 'ranges', protocol, ranges: mergeRanges(ranges) }));
}

/** Sorted; ranges that touch become one. */
export function mergeRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else merged.push(range);
  }
  return merged;
}

function digit(family: IpFamily): '4' | '6' {
  return family === 'IPv4' ? '4' : '6';
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
