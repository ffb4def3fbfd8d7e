/**
 * Notices that others changed our chains, by one process and without reading all of them: hooks, base chains and shared chains are looked at each
 * time, and all others in turn. A flush, rules of an earlier time put back, or a jump taken away are noticed at once, whatever
 * the number of services; a single chain that somebody emptied with the next look at it.
 */
import type { Iptables } from '../node-iptables/index.ts';
import { BASE_CHAINS, PROXY_TABLES, hooks } from './plan/iptables-base.ts';
import type { ProxyTable } from './plan/iptables-base.ts';
import { ROOT_CHAINS } from './plan/iptables-branches.ts';
import { missingHooks } from './plan/iptables-full.ts';
import { ChainHash } from './plan/iptables-kernel.ts';
import type { RuleLedger } from './plan/iptables-ledger.ts';

const CHAINS_PER_LOOK = 500;

export class IptablesDrift {
  private readonly iptables: Iptables;
  private readonly walks: Partial<Record<ProxyTable, Iterator<string>>> = {};

  constructor(iptables: Iptables) {
    this.iptables = iptables;
  }

  /** @throws CommandError */
  async hasDrifted(ledger: RuleLedger): Promise<boolean> {
    const asked = PROXY_TABLES.flatMap(table => {
      const builtIn = hooks(table).map(hook => hook.chain);
      const chains = [...builtIn, ...BASE_CHAINS[table], ...ROOT_CHAINS[table], ...this.next(ledger, table)];
      return [...new Set(chains)].map(chain => ({ table, chain }));
    });
    const found = await this.iptables.listChains(asked);
    if (found === undefined) return true;
    return PROXY_TABLES.some(table => {
      const lists = new Map(
        asked.flatMap(({ chain, ...of }, i) => (of.table === table ? [[chain, found[i] ?? []]] : [])),
      );
      return missingHooks(table, lists, this.iptables.family).length > 0 || isChanged(ledger, table, lists);
    });
  }

  /** The chains whose turn it is. */
  private next(ledger: RuleLedger, table: ProxyTable): string[] {
    const walk = (this.walks[table] ??= ledger.chainNames(table));
    const names: string[] = [];
    while (names.length < CHAINS_PER_LOOK) {
      const { value, done } = walk.next();
      if (done === true) {
        delete this.walks[table];
        break;
      }
      names.push(value);
    }
    // The walk may be one through the ledger of before.
    return names.filter(chain => ledger.chain(table, chain) !== undefined);
  }
}

function isChanged(ledger: RuleLedger, table: ProxyTable, lists: ReadonlyMap<string, readonly string[]>): boolean {
  return [...lists].some(([chain, rules]) => {
    const known = ledger.chain(table, chain);
    return known !== undefined && known.hash !== ChainHash.of(chain, rules).hash;
  });
}
