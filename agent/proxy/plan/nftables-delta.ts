/** What must be written so that the kernel has a service as wanted, given what it has of it: elements and chains that differ. */
import type { NftCommand, NftElement } from '../../node-iptables/plan/nft.ts';
import type { NodeModel } from './model.ts';
import { sharedChainsOf } from './nftables-base.ts';
import { elementsOf } from './nftables-service.ts';
import type { NftPort } from './nftables-service.ts';

/** One service's share of a transaction. */
export interface NftDelta {
  /** Set, key, and for what is added its value. A changed value is removed and added. */
  readonly remove: readonly (readonly [set: string, key: string])[];
  readonly add: readonly (readonly [set: string, key: string, value: string, port: string])[];
  readonly writeChains: ReadonlyMap<string, readonly string[]>;
  readonly deleteChains: readonly string[];
  /** Addresses of endpoints on this node that were not there before. Others may have them; adding is content with that. */
  readonly addHairpins: readonly string[];
}

export function computeNftDelta(before: readonly NftPort[], wanted: readonly NftPort[]): NftDelta {
  const there = new Map<string, string>();
  for (const port of before) for (const [set, key, value] of elementsOf(port)) there.set(`${set} ${key}`, value);
  const remove: (readonly [string, string])[] = [];
  const add: (readonly [string, string, string, string])[] = [];
  for (const port of wanted) {
    for (const [set, key, value] of elementsOf(port)) {
      const id = `${set} ${key}`;
      const old = there.get(id);
      there.delete(id);
      if (old === value) continue;
      if (old !== undefined) remove.push([set, key]);
      add.push([set, key, value, port.name]);
    }
  }
  for (const id of there.keys()) {
    const space = id.indexOf(' ');
    remove.push([id.slice(0, space), id.slice(space + 1)]);
  }
  const chains = new Map(before.flatMap(port => [...port.chains]));
  const writeChains = new Map<string, readonly string[]>();
  for (const [chain, rules] of wanted.flatMap(port => [...port.chains])) {
    const old = chains.get(chain);
    chains.delete(chain);
    if (old?.length !== rules.length || rules.some((rule, i) => rule !== old[i])) writeChains.set(chain, rules);
  }
  const hairpins = new Set(before.flatMap(port => port.hairpin));
  const addHairpins = wanted.flatMap(port => port.hairpin).filter(address => !hairpins.has(address));
  return { remove, add, writeChains, deleteChains: [...chains.keys()], addHairpins };
}

export function isEmptyNftDelta(delta: NftDelta): boolean {
  return (
    delta.remove.length === 0 &&
    delta.add.length === 0 &&
    delta.writeChains.size === 0 &&
    delta.deleteChains.length === 0 &&
    delta.addHairpins.length === 0
  );
}

/**
 * Deltas of any number of services as one transaction.
 * @param made shared chains that stand; what is needed besides is made
 */
export function nftCommandsOf(
  deltas: readonly NftDelta[],
  made: ReadonlySet<string>,
  node: NodeModel,
): { readonly commands: NftCommand[]; readonly newSharedChains: readonly string[] } {
  const removed = new Map<string, NftElement[]>();
  const added = new Map<string, NftElement[]>();
  const leadsTo = new Set<string>();
  for (const delta of deltas) {
    for (const [set, key] of delta.remove) listOf(removed, set).push(key);
    for (const [set, key, value, port] of delta.add) {
      listOf(added, set).push(elementOf(set, key, value, port));
      if (value.startsWith('goto ')) leadsTo.add(value);
    }
    for (const rules of delta.writeChains.values()) for (const rule of rules) leadsTo.add(rule);
    for (const address of delta.addHairpins) listOf(added, 'hairpin').push(`${address} . ${address}`);
  }
  const shared = [...sharedChainsOf(leadsTo, node)].filter(([chain]) => !made.has(chain));
  const own = deltas.flatMap(delta => [...delta.writeChains]);
  const gone = deltas.flatMap(delta => delta.deleteChains);
  return {
    newSharedChains: shared.map(([chain]) => chain),
    commands: [
      ...[...shared, ...own].map(([chain]): NftCommand => ({ kind: 'addChain', chain })),
      ...own.map(([chain]): NftCommand => ({ kind: 'flushChain', chain })),
      ...[...shared, ...own].flatMap(([chain, rules]) => ruleCommands(chain, rules)),
      ...[...removed].map(([set, elements]): NftCommand => ({ kind: 'deleteElements', set, elements })),
      ...[...added].map(([set, elements]): NftCommand => ({ kind: 'addElements', set, elements })),
      // They may lead to each other: none can go while another has rules.
      ...gone.map((chain): NftCommand => ({ kind: 'flushChain', chain })),
      ...gone.map((chain): NftCommand => ({ kind: 'deleteChain', chain })),
    ],
  };
}

export function ruleCommands(chain: string, rules: readonly string[]): NftCommand[] {
  return rules.map(statement => ({ kind: 'addRule', chain, statement }));
}

/** Where packets come in, the maps say for whom: that is what people list. */
function elementOf(set: string, key: string, value: string, port: string): NftElement {
  if (set === 'service-ips' || set === 'node-ports') return { key, value, comment: port.slice(0, 128) };
  return `${key} : ${value}`;
}

function listOf<T>(lists: Map<string, T[]>, name: string): T[] {
  const known = lists.get(name);
  if (known !== undefined) return known;
  const made: T[] = [];
  lists.set(name, made);
  return made;
}
