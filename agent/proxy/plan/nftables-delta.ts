/** What must be written so that the kernel has a service as wanted, given what it has of it: elements and chains that differ. */
import type { NftCommand, NftElement } from '../../node-iptables/plan/nft.ts';
import type { NodeModel } from './model.ts';
import { sharedChainsOf } from './nftables-base.ts';
import { LOCAL_SLOTS, endpointMap } from './nftables-names.ts';
import type { NftPort, NftTarget } from './nftables-service.ts';

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

interface PortTarget {
  readonly target: NftTarget;
  readonly port: NftPort;
}

const NO_SLOTS: readonly string[] = [];
const SLOTS = [
  [0, 'cluster'],
  [LOCAL_SLOTS, 'local'],
] as const;

export function computeNftDelta(before: readonly NftPort[], wanted: readonly NftPort[]): NftDelta {
  const remove: (readonly [string, string])[] = [];
  const add: (readonly [string, string, string, string])[] = [];
  const there = new Map<string, PortTarget>();
  for (const port of before)
    for (const target of port.targets) there.set(`${target.map} ${target.key}`, { target, port });
  for (const port of wanted) {
    for (const target of port.targets) {
      const id = `${target.map} ${target.key}`;
      const old = there.get(id);
      there.delete(id);
      if (old?.target.verdict !== target.verdict) {
        if (old !== undefined) remove.push([target.map, target.key]);
        add.push([target.map, target.key, target.verdict, port.name]);
      }
      changeSlots(old, { target, port });
    }
  }
  for (const old of there.values()) {
    remove.push([old.target.map, old.target.key]);
    changeSlots(old, undefined);
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

  /** Endpoints of one target, which may have come or gone. Slot by slot: thousands are compared, and few of them written. */
  function changeSlots(old: PortTarget | undefined, now: PortTarget | undefined): void {
    for (const [first, kind] of SLOTS) {
      const were = slotsOf(old, kind);
      const are = slotsOf(now, kind);
      for (let i = 0; i < Math.max(were.length, are.length); i++) {
        const [was, is] = [were[i], are[i]];
        if (was === is) continue;
        if (old !== undefined && was !== undefined) remove.push(slotOf(old, first + i));
        if (now !== undefined && is !== undefined) add.push([...slotOf(now, first + i), is, now.port.name]);
      }
    }
  }
}

function slotsOf(of: PortTarget | undefined, kind: 'cluster' | 'local'): readonly string[] {
  return of?.target.endpointKey === undefined ? NO_SLOTS : of.port[kind];
}

function slotOf(of: PortTarget, slot: number): readonly [set: string, key: string] {
  return [endpointMap(of.target.map, of.port.transport), `${of.target.endpointKey} . ${slot}`];
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
