/** What is written, in which order; see iptables-rules.ts for why it leaves no hole. */
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { IpsetCommand, IpsetType } from '../../node-iptables/plan/ipset.ts';
import type { SavedTables } from '../../node-iptables/plan/parse-save.ts';
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import {
  HOOKS,
  answeredSet,
  chainName,
  chainRules,
  isOwnChain,
  podSet,
  ruleSet,
  sharedChains,
} from './iptables-rules.ts';
import { familyOfAddress } from './model.ts';
import type { PodChange, PodChains, PolicyChain, PolicyChange, PolicyModel, PolicySet, SetContent } from './model.ts';

/** One command's worth. */
export type IptablesStep =
  /** By `ipset restore`, where adding what is there and removing what is not is no error. */
  | { readonly kind: 'sets'; readonly commands: readonly IpsetCommand[] }
  | { readonly kind: 'rules'; readonly family: IpFamily; readonly change: TableChange }
  /** The kernel lets go of sets a moment after the rules that looked into them: those that it still holds go later. */
  | { readonly kind: 'destroy'; readonly sets: readonly string[] };

/** What stands by what was written before. */
export interface Standing {
  readonly chains: readonly PolicyChain[];
  readonly pods: ReadonlyMap<string, PodChains>;
}

/** What an earlier process, or nobody, left in the kernel. */
export interface Found {
  readonly tables: ReadonlyMap<IpFamily, SavedTables>;
  /** Entries of our sets. */
  readonly sets: ReadonlyMap<string, readonly string[]>;
}

const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];
/** Bounds of the kernel's own; the default is too small for the pods of a large cluster. */
const MAX_ELEMENTS = 1_048_576;
const TYPES: Record<SetContent, IpsetType> = { addresses: 'hash:ip', networks: 'hash:net', namedPorts: 'hash:ip,port' };

/** The whole, over whatever is there. @param families those that the kernel has */
export function replaceSteps(model: PolicyModel, found: Found, families: readonly IpFamily[]): IptablesStep[] {
  const chains = model.chains.filter(({ family }) => families.includes(family));
  const wanted = new Set(chains.map(({ name }) => name));
  const kept = [
    ...model.sets.map(({ name }) => ruleSet(name)),
    ...chains.map(({ name }) => podSet(name)),
    ...families.map(answeredSet),
  ];
  const stale = staleChains(found, wanted);
  const members = ({ name, direction }: PolicyChain): string[] =>
    [...model.pods].filter(([, pod]) => pod[direction] === name).map(([address]) => address);
  return [
    {
      kind: 'sets',
      commands: [
        ...model.sets.flatMap(set => withdrawn(set, found)),
        ...families.map(family => create(answeredSet(family), family, 'addresses')),
        ...chains.map(({ name, family }) => create(podSet(name), family, 'addresses')),
      ],
    },
    ...families.map((family): IptablesStep => {
      const both = [...namesOf(chains, family), ...stale.filter(name => name[1] === digitOf(family))];
      const shared = sharedChains(family, both, isolatedOf(model.pods, family));
      return {
        kind: 'rules',
        family,
        change: {
          table: 'mangle',
          chains: new Map([
            ...shared,
            ...chains.filter(c => c.family === family).map(c => [chainName(c.name), chainRules(c)] as const),
          ]),
          insert: missingHooks(found.tables.get(family)),
        },
      };
    }),
    {
      kind: 'sets',
      commands: [
        ...families.flatMap(family =>
          exchange(
            answeredSet(family),
            family,
            'addresses',
            model.answered.filter(address => familyOfAddress(address) === family),
          ),
        ),
        ...chains.flatMap(chain => added(podSet(chain.name), members(chain))),
        ...model.sets.flatMap(set => added(ruleSet(set.name), texts(set))),
        ...chains.flatMap(chain => exchange(podSet(chain.name), chain.family, 'addresses', members(chain))),
      ],
    },
    ...families.flatMap((family): IptablesStep[] => {
      const own = [...(found.tables.get(family)?.get('mangle')?.keys() ?? [])].filter(isOwnChain);
      const shared = sharedChains(family, namesOf(chains, family), isolatedOf(model.pods, family));
      const deleteChains = own.filter(name => !shared.has(name) && !wanted.has(name.slice(chainName('').length)));
      if (deleteChains.length === 0) return [];
      return [{ kind: 'rules', family, change: { table: 'mangle', chains: shared, deleteChains } }];
    }),
    { kind: 'destroy', sets: [...found.sets.keys()].filter(name => isOwnSet(name) && !kept.includes(name)) },
  ];
}

/** A difference to what stands. */
export function changeSteps(change: PolicyChange, standing: Standing, families: readonly IpFamily[]): IptablesStep[] {
  const pods = new Map(standing.pods);
  for (const { address, after } of change.pods) pods.set(address, after);
  const gone = new Set(change.removeChains.map(({ name }) => name));
  const all = [...standing.chains, ...change.addChains];
  const rules = (family: IpFamily, when: 'before' | 'after'): IptablesStep[] => {
    const fresh = change.addChains.filter(chain => chain.family === family);
    const removed = change.removeChains.filter(chain => chain.family === family);
    const isolated = isolatedOf(pods, family);
    const isSelfSame = isolated.join() === isolatedOf(standing.pods, family).join();
    if (when === 'before' ? fresh.length === 0 && isSelfSame : removed.length === 0) return [];
    const present = when === 'before' ? all : all.filter(({ name }) => !gone.has(name));
    const own = when === 'before' ? fresh.map(chain => [chainName(chain.name), chainRules(chain)] as const) : [];
    const deleteChains = when === 'after' ? removed.map(({ name }) => chainName(name)) : [];
    const chains = new Map([...sharedChains(family, namesOf(present, family), isolated), ...own]);
    return [{ kind: 'rules', family, change: { table: 'mangle', chains, deleteChains } }];
  };
  return joined([
    {
      kind: 'sets',
      commands: [
        ...change.changeSets.flatMap(({ name, content, remove }) =>
          remove.map(element => ({ kind: 'del', set: ruleSet(name), entry: entryText(content, element) }) as const),
        ),
        ...change.addSets.flatMap(set => filled(ruleSet(set.name), set.family, set.content, texts(set))),
        ...change.addChains.flatMap(({ name, family }) => filled(podSet(name), family, 'addresses', [])),
      ],
    },
    ...families.flatMap(family => rules(family, 'before')),
    {
      kind: 'sets',
      commands: [
        ...moved(change.pods, 'add'),
        ...change.changeSets.flatMap(({ name, content, add }) =>
          added(
            ruleSet(name),
            add.map(element => entryText(content, element)),
          ),
        ),
        ...moved(change.pods, 'del'),
      ],
    },
    ...families.flatMap(family => rules(family, 'after')),
    {
      kind: 'destroy',
      sets: [
        ...change.removeChains.map(({ name }) => podSet(name)),
        ...change.removeSets.map(({ name }) => ruleSet(name)),
      ],
    },
  ]);
}

/** Takes everything away. */
export function cleanupSteps(found: Found): IptablesStep[] {
  return [
    ...FAMILIES.flatMap((family): IptablesStep[] => {
      const chains = found.tables.get(family)?.get('mangle');
      const own = [...(chains?.keys() ?? [])].filter(isOwnChain);
      const remove = HOOKS.flatMap(({ chain, rule }) =>
        (chains?.get(chain)?.rules ?? [])
          .filter(({ text }) => text === renderRule(rule))
          .map(({ text }) => ({ chain, rule: text })),
      );
      if (own.length + remove.length === 0) return [];
      return [{ kind: 'rules', family, change: { table: 'mangle', remove, deleteChains: own } }];
    }),
    { kind: 'destroy', sets: [...found.sets.keys()].filter(isOwnSet) },
  ];
}

/** Whether a set is one of ours. */
export function isOwnSet(name: string): boolean {
  return /^k8ts-(pol|pod|tmp)-|^k8ts-answered[46]$/.test(name);
}

/** Chains of before that pods are still led to. */
function staleChains({ tables, sets }: Found, wanted: ReadonlySet<string>): string[] {
  const names = [...tables.values()].flatMap(saved => [...(saved.get('mangle')?.keys() ?? [])]);
  return names
    .filter(name => /^K8TS-POL-[ei][46]-/.test(name))
    .map(name => name.slice(chainName('').length))
    .filter(name => !wanted.has(name) && sets.has(podSet(name)));
}

function missingHooks(saved: SavedTables | undefined): { chain: string; rule: string }[] {
  const chains = saved?.get('mangle');
  return HOOKS.map(({ chain, rule }) => ({ chain, rule: renderRule(rule) })).filter(
    ({ chain, rule }) => chains?.get(chain)?.rules.some(({ text }) => text === rule) !== true,
  );
}

/** A set with exactly these entries, in one moment. */
function exchange(set: string, family: IpFamily, content: SetContent, entries: readonly string[]): IpsetCommand[] {
  const temporary = `k8ts-tmp-${set.slice(-19)}`;
  return [
    create(set, family, content),
    ...filled(temporary, family, content, entries),
    { kind: 'swap', set: temporary, other: set },
    { kind: 'destroy', set: temporary },
  ];
}

/** What a set that is there holds and shall not; one that is not there is made with all that it shall. */
function withdrawn(set: PolicySet, { sets }: Found): IpsetCommand[] {
  const name = ruleSet(set.name);
  const found = sets.get(name);
  if (found === undefined) return filled(name, set.family, set.content, texts(set));
  // Networks never change, and the kernel writes some of them otherwise.
  if (set.content === 'networks') return [];
  const wanted = new Set(texts(set));
  return found.filter(entry => !wanted.has(entry)).map(entry => ({ kind: 'del', set: name, entry }));
}

function added(set: string, entries: readonly string[]): IpsetCommand[] {
  return entries.map(entry => ({ kind: 'add', set, entry }));
}

/** A set that no rule looks into yet. */
function filled(set: string, family: IpFamily, content: SetContent, entries: readonly string[]): IpsetCommand[] {
  return [create(set, family, content), { kind: 'flush', set }, ...added(set, entries)];
}

function create(set: string, family: IpFamily, content: SetContent): IpsetCommand {
  const type = TYPES[content];
  return { kind: 'create', set, type, family: family === 'IPv4' ? 'ipv4' : 'ipv6', maxElements: MAX_ELEMENTS };
}

function moved(pods: readonly PodChange[], kind: 'add' | 'del'): IpsetCommand[] {
  return pods.flatMap(({ address, before, after }) =>
    (['egress', 'ingress'] as const).flatMap(direction => {
      const chain = kind === 'add' ? after[direction] : before[direction];
      if (chain === undefined || before[direction] === after[direction]) return [];
      return [{ kind, set: podSet(chain), entry: address } as const];
    }),
  );
}

/** Steps that do nothing go; sets that follow on each other are written together. */
function joined(steps: readonly IptablesStep[]): IptablesStep[] {
  const list: IptablesStep[] = [];
  for (const step of steps) {
    if (step.kind === 'sets' ? step.commands.length === 0 : step.kind === 'destroy' && step.sets.length === 0) continue;
    const last = list.at(-1);
    if (step.kind === 'sets' && last?.kind === 'sets')
      list[list.length - 1] = { kind: 'sets', commands: [...last.commands, ...step.commands] };
    else list.push(step);
  }
  return list;
}

function texts({ content, elements }: PolicySet): string[] {
  return Array.from(elements, element => entryText(content, element));
}

function entryText(content: SetContent, element: string): string {
  if (content !== 'namedPorts') return element;
  const [address = '', protocol = '', port = ''] = element.split(' ');
  return `${address},${protocol.toLowerCase()}:${port}`;
}

function namesOf(chains: readonly PolicyChain[], family: IpFamily): string[] {
  return chains.filter(chain => chain.family === family).map(({ name }) => name);
}

function isolatedOf(pods: ReadonlyMap<string, PodChains>, family: IpFamily): string[] {
  return [...pods]
    .filter(
      ([address, { ingress, egress }]) => familyOfAddress(address) === family && (ingress ?? egress) !== undefined,
    )
    .map(([address]) => address)
    .sort();
}

function digitOf(family: IpFamily): string {
  return family === 'IPv4' ? '4' : '6';
}
