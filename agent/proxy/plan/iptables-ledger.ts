/**
 * What the kernel has of our chains, and which service wants what in them. It says what must be written so that services are as wanted, and
 * learns what was written once that succeeded.
 *
 * - A chain is always written as a whole, whatever was in it. So a write may be repeated, or tried with half of the services, and
 *   nothing depends on finding a rule again.
 * - It is kept small: hashes of chains, and text only of rules in branches, which services share.
 * - Rules of a branch stand sorted, so that a restart finds what it would write.
 */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import type { Rule } from '../../node-iptables/plan/rule.ts';
import { BASE_CHAINS, CANARY_CHAIN, PROXY_TABLES, baseChains, iptablesFamily } from './iptables-base.ts';
import type { Hairpin, ProxyTable } from './iptables-base.ts';
import { ROOT_CHAINS, rootTail } from './iptables-branches.ts';
import type { Branch } from './iptables-branches.ts';
import { ChainHash } from './iptables-kernel.ts';
import type { KernelChain, KernelTable } from './iptables-kernel.ts';
import type { RenderedService } from './iptables-render.ts';
import type { NodeModel } from './model.ts';

/** What one service shall have; nothing if it is gone. Chains that were written already need not be given again. */
export interface ServiceRules {
  readonly service: string;
  readonly rules:
    | (Pick<RenderedService, 'shared'> & { readonly chains: ReadonlyMap<string, readonly string[] | 'written'> })
    | undefined;
}

/** The changes of one table, and what to do when they have been made. */
export interface LedgerStep {
  readonly table: ProxyTable;
  readonly change: TableChange;
  readonly written: () => void;
}

interface BranchState {
  readonly branch: Branch;
  /** Rules by service. */
  readonly members: Map<string, readonly string[]>;
}

interface Held {
  readonly chains: readonly string[];
  readonly branches: readonly BranchState[];
}

type Chains = Map<string, readonly string[]>;

export class RuleLedger {
  private readonly node: NodeModel;
  private readonly kernel: Record<ProxyTable, Map<string, KernelChain>>;
  private readonly sums: Record<ProxyTable, number> = { nat: 0, filter: 0 };
  private readonly services = new Map<string, Held>();
  private readonly branches = new Map<string, BranchState>();

  constructor(kernel: Record<ProxyTable, KernelTable>, node: NodeModel) {
    this.node = node;
    this.kernel = { nat: kernel.nat.ours, filter: kernel.filter.ours };
    for (const table of PROXY_TABLES)
      for (const [chain, { hash }] of this.kernel[table]) this.addToSum(table, chain, hash);
  }

  /** Whether the kernel has a chain otherwise, or not at all. */
  isStale(table: ProxyTable, chain: string, rules: readonly string[]): boolean {
    return this.kernel[table].get(chain)?.hash !== ChainHash.of(chain, rules).hash;
  }

  /** What must stand before anything of a service: base chains as they shall be, and shared chains, if only empty ones. */
  planBase(table: ProxyTable, hairpin: Hairpin): LedgerStep {
    const write: Chains = new Map();
    for (const [chain, list] of baseChains(table, this.node, hairpin)) {
      const rules = this.render(list);
      if (this.isStale(table, chain, rules)) write.set(chain, rules);
    }
    for (const root of ROOT_CHAINS[table]) if (!this.kernel[table].has(root)) write.set(root, []);
    return this.step(table, write, []);
  }

  /** What makes the kernel have these services as given. With `whole` shared chains are made right that no service here is in. */
  plan(batch: readonly ServiceRules[], whole = false): LedgerStep[] {
    const write: Record<ProxyTable, Chains> = { nat: new Map(), filter: new Map() };
    const remove: Record<ProxyTable, string[]> = { nat: [], filter: [] };
    const touched = new Map<BranchState, Map<string, readonly string[]>>();
    const fresh = new Map<string, BranchState>();
    const put = (state: BranchState, service: string, rules: readonly string[]): void => {
      const changes = touched.get(state);
      if (changes === undefined) touched.set(state, new Map([[service, rules]]));
      else changes.set(service, rules);
    };
    if (whole) for (const state of this.branches.values()) touched.set(state, new Map());
    for (const { service, rules } of batch) {
      const held = this.services.get(service);
      for (const [chain, list] of rules?.chains ?? [])
        if (list !== 'written' && this.isStale('nat', chain, list)) write.nat.set(chain, list);
      remove.nat.push(...(held?.chains.filter(chain => rules?.chains.has(chain) !== true) ?? []));
      for (const state of held?.branches ?? []) put(state, service, []);
      for (const [state, list] of this.byBranch(rules, fresh)) put(state, service, list);
    }
    const roots = new Set<string>(whole ? PROXY_TABLES.flatMap(t => ROOT_CHAINS[t].map(root => `${t} ${root}`)) : []);
    for (const [state, changes] of touched) {
      const { table, root, chain } = state.branch;
      const rules = contentOf(state, changes);
      if (rules.length > 0) {
        if (this.isStale(table, chain, rules)) write[table].set(chain, rules);
      } else if (this.kernel[table].has(chain)) remove[table].push(chain);
      if (rules.length === 0 || state.members.size === 0) roots.add(`${table} ${root}`);
    }
    const known = [...this.branches.values(), ...fresh.values()];
    for (const table of PROXY_TABLES) {
      for (const root of ROOT_CHAINS[table].filter(name => roots.has(`${table} ${name}`))) {
        const entries = known
          .filter(({ branch }) => branch.table === table && branch.root === root)
          .filter(state => isUsed(state, touched.get(state)))
          .map(({ branch }) => branch.entry);
        const rules = [...entries.sort(), ...this.render(rootTail(table, root, this.node))];
        if (this.isStale(table, root, rules)) write[table].set(root, rules);
      }
    }
    const steps = PROXY_TABLES.map(table => this.step(table, write[table], remove[table]));
    // Known only once the last table is written: until then the kernel's chains are known, but not whose they are.
    const last = steps.pop();
    if (last === undefined) return [];
    return [...steps, { ...last, written: () => (last.written(), this.remember(batch, touched, fresh)) }];
  }

  /** One table's change, with the canary that tells of it. */
  step(table: ProxyTable, write: Chains, remove: readonly string[]): LedgerStep {
    const kernel = this.kernel[table];
    const written = new Map([...write].map(([chain, rules]) => [chain, ChainHash.of(chain, rules)]));
    let sum = this.sums[table];
    for (const chain of [...write.keys(), ...remove]) sum ^= mixed(kernel.get(chain)?.hash);
    for (const { hash } of written.values()) sum ^= mixed(hash);
    const canary = [canaryRule(sum)];
    const canaryHash = ChainHash.of(CANARY_CHAIN, canary);
    const chains: Chains = new Map(write);
    if (kernel.get(CANARY_CHAIN)?.hash !== canaryHash.hash) chains.set(CANARY_CHAIN, canary);
    return {
      table,
      change: { table, chains, deleteChains: remove },
      written: () => {
        this.sums[table] = sum;
        for (const [chain, state] of written) kernel.set(chain, state);
        for (const chain of remove) kernel.delete(chain);
        kernel.set(CANARY_CHAIN, canaryHash);
      },
    };
  }

  /** Chains of ours that nobody wants. */
  strays(table: ProxyTable): string[] {
    const wanted = new Set<string>([...BASE_CHAINS[table], ...ROOT_CHAINS[table]]);
    for (const { branch } of this.branches.values()) if (branch.table === table) wanted.add(branch.chain);
    if (table === 'nat') for (const { chains } of this.services.values()) for (const chain of chains) wanted.add(chain);
    return [...this.kernel[table].keys()].filter(chain => !wanted.has(chain));
  }

  /** What a chain of ours looks like; undefined if there is none. */
  chain(table: ProxyTable, chain: string): KernelChain | undefined {
    return this.kernel[table].get(chain);
  }

  /** Names of all chains of ours, as they are while one walks. */
  chainNames(table: ProxyTable): IterableIterator<string> {
    return this.kernel[table].keys();
  }

  ruleCounts(): Map<string, number> {
    const count = (table: ProxyTable): number =>
      [...this.kernel[table].values()].reduce((n, { rules }) => n + rules, 0);
    return new Map(PROXY_TABLES.map(table => [table, count(table)]));
  }

  /** A service whose rules were refused halfway: nothing of it is wanted any more. */
  forget(service: string): void {
    for (const { members } of this.services.get(service)?.branches ?? []) members.delete(service);
    this.services.delete(service);
  }

  private render(rules: readonly Rule[]): string[] {
    return rules.map(rule => renderRule(rule, iptablesFamily(this.node.family)));
  }

  private byBranch(rules: ServiceRules['rules'], fresh: Map<string, BranchState>): Map<BranchState, string[]> {
    const lists = new Map<BranchState, string[]>();
    for (const { branch, rule } of rules?.shared ?? []) {
      const key = `${branch.table} ${branch.chain}`;
      const state = this.branches.get(key) ?? fresh.get(key) ?? { branch, members: new Map() };
      if (!this.branches.has(key)) fresh.set(key, state);
      const list = lists.get(state);
      if (list === undefined) lists.set(state, [rule]);
      else if (!list.includes(rule)) list.push(rule);
    }
    return lists;
  }

  private remember(
    batch: readonly ServiceRules[],
    touched: ReadonlyMap<BranchState, ReadonlyMap<string, readonly string[]>>,
    fresh: ReadonlyMap<string, BranchState>,
  ): void {
    for (const [key, state] of fresh) this.branches.set(key, state);
    const branchesOf = new Map<string, BranchState[]>();
    for (const [state, changes] of touched) {
      for (const [service, rules] of changes) {
        if (rules.length === 0) state.members.delete(service);
        else {
          state.members.set(service, rules);
          const list = branchesOf.get(service);
          if (list === undefined) branchesOf.set(service, [state]);
          else list.push(state);
        }
      }
      if (state.members.size === 0) this.branches.delete(`${state.branch.table} ${state.branch.chain}`);
    }
    for (const { service, rules } of batch) {
      if (rules === undefined) this.services.delete(service);
      else this.services.set(service, { chains: [...rules.chains.keys()], branches: branchesOf.get(service) ?? [] });
    }
  }

  private addToSum(table: ProxyTable, chain: string, hash: number): void {
    if (chain !== CANARY_CHAIN) this.sums[table] ^= mixed(hash);
  }
}

function contentOf(state: BranchState, changes: ReadonlyMap<string, readonly string[]> | undefined): readonly string[] {
  const rules: string[] = [];
  for (const [service, list] of state.members) if (changes?.has(service) !== true) rules.push(...list);
  for (const list of changes?.values() ?? []) rules.push(...list);
  return rules.sort();
}

function isUsed({ members }: BranchState, changes: ReadonlyMap<string, readonly string[]> | undefined): boolean {
  if (changes === undefined) return members.size > 0;
  if ([...changes.values()].some(rules => rules.length > 0)) return true;
  return [...members.keys()].some(service => !changes.has(service));
}

/** The part of a chain's hash that goes into the sum; nothing of a chain that is not there. */
function mixed(hash: number | undefined): number {
  return hash === undefined ? 0 : (hash | 0) ^ Math.floor(hash / 0x1_0000_0000);
}

function canaryRule(sum: number): string {
  const text = (sum >>> 0).toString(16).padStart(8, '0');
  return renderRule({ matches: [{ kind: 'comment', text: `sum of our chains ${text}` }], target: { kind: 'return' } });
}
