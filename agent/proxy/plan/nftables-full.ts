/**
 * Everything in one transaction: whoever has a connection or makes one sees the rules of before or those of after, never none. It costs
 * a second for 10,000 services of five endpoints, so nothing is read and compared first.
 */
import type { NftCommand } from '../../node-iptables/plan/nft.ts';
import type { NodeModel } from './model.ts';
import { baseRules, declareBase, refilledSets } from './nftables-base.ts';
import { computeNftDelta, nftCommandsOf, ruleCommands } from './nftables-delta.ts';
import type { NftPort } from './nftables-service.ts';

const NO_CHAINS: ReadonlySet<string> = new Set();

/** How to deal with what an earlier process left. `refill` keeps whom affinity sent where, and needs declarations of today. */
export type FullWrite =
  { readonly kind: 'refill'; readonly foundChains: Iterable<string> } | { readonly kind: 'recreate' };

export function fullNftCommands(
  services: Iterable<readonly NftPort[]>,
  how: FullWrite,
  node: NodeModel,
): { readonly commands: NftCommand[]; readonly newSharedChains: readonly string[] } {
  const deltas = [];
  for (const ports of services) deltas.push(computeNftDelta([], ports));
  const written = nftCommandsOf(deltas, NO_CHAINS, node);
  const kept = new Set([...baseRules(node).keys(), ...written.newSharedChains]);
  for (const delta of deltas) for (const chain of delta.writeChains.keys()) kept.add(chain);
  const leftovers = how.kind === 'recreate' ? [] : [...how.foundChains].filter(chain => !kept.has(chain));
  return {
    newSharedChains: written.newSharedChains,
    commands: [
      ...(how.kind === 'recreate' ? [{ kind: 'removeTable' } as const] : []),
      ...declareBase(node),
      // Rules of all chains, no elements.
      { kind: 'flushTable' },
      ...[...refilledSets(node)].map(([name, { isMap }]): NftCommand => ({
        kind: isMap ? 'flushMap' : 'flushSet',
        name,
      })),
      ...[...baseRules(node)].flatMap(([chain, rules]) => ruleCommands(chain, rules)),
      ...written.commands,
      ...leftovers.map((chain): NftCommand => ({ kind: 'deleteChain', chain })),
    ],
  };
}
