/**
 * Everything in one transaction: whoever has a connection or makes one sees the rules of before or those of after, never none. It costs
 * a second for 10,000 services of five endpoints, so nothing is read and compared first.
 */
import type { NftCommand } from '../../node-iptables/plan/nft.ts';
import type { NodeModel } from './model.ts';
import { baseRules, declareBase, refilledSets } from './nftables-base.ts';
import { computeNftDelta, nftCommandsOf, ruleCommands } from './nftables-delta.ts';
import type { NftDelta } from './nftables-delta.ts';
import type { NftPort } from './nftables-service.ts';

/** So many services at a time become text: all at once would be 60 MB more than they need. */
const SERVICES_PER_PIECE = 200;

/** How to deal with what an earlier process left. `refill` keeps whom affinity sent where, and needs declarations of today. */
export type FullWrite =
  { readonly kind: 'refill'; readonly foundChains: Iterable<string> } | { readonly kind: 'recreate' };

/**
 * The transaction, piece by piece.
 * @param sharedChains told of the shared chains that stand afterwards
 */
export function* fullNftCommands(
  services: Iterable<readonly NftPort[]>,
  how: FullWrite,
  node: NodeModel,
  sharedChains: Set<string>,
): Generator<readonly NftCommand[]> {
  const rules = baseRules(node);
  yield [
    ...(how.kind === 'recreate' ? [{ kind: 'removeTable' } as const] : []),
    ...declareBase(node),
    // Rules of all chains, no elements.
    { kind: 'flushTable' },
    ...[...refilledSets(node)].map(([name, { isMap }]): NftCommand => ({
      kind: isMap ? 'flushMap' : 'flushSet',
      name,
    })),
    ...[...rules].flatMap(([chain, statements]) => ruleCommands(chain, statements)),
  ];
  const kept = new Set(rules.keys());
  let piece: NftDelta[] = [];
  for (const ports of services) {
    const delta = computeNftDelta([], ports);
    for (const chain of delta.writeChains.keys()) kept.add(chain);
    piece.push(delta);
    if (piece.length < SERVICES_PER_PIECE) continue;
    yield commandsOf(piece);
    piece = [];
  }
  yield commandsOf(piece);
  for (const chain of sharedChains) kept.add(chain);
  const found = how.kind === 'recreate' ? [] : [...how.foundChains];
  yield found.filter(chain => !kept.has(chain)).map(chain => ({ kind: 'deleteChain', chain }));

  function commandsOf(deltas: readonly NftDelta[]): readonly NftCommand[] {
    const { commands, newSharedChains } = nftCommandsOf(deltas, sharedChains, node);
    for (const chain of newSharedChains) sharedChains.add(chain);
    return commands;
  }
}
