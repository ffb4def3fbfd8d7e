/** node-iptables: typed iptables, nftables, ipset and conntrack for Node.js. See README.md. */

// What runs commands.
export { CommandError } from './command-error.ts';
export type { CommandFailure } from './command-error.ts';
export { Conntrack } from './conntrack.ts';
export { Ipset } from './ipset.ts';
export { Iptables } from './iptables.ts';
export type { IptablesOptions } from './iptables.ts';
export { applyNft, Nftables } from './nftables.ts';
export { RuleEvents } from './rule-events.ts';
export type { RuleChanges, RuleEventsOptions } from './rule-events.ts';
export type { CommandInput, CommandOptions } from './run-command.ts';

// Values of iptables, their text and back.
export * from './plan/diff.ts';
export * from './plan/diff-table.ts';
export { canonicalProbability } from './plan/numbers.ts';
export { ParseError } from './plan/parse-error.ts';
export * from './plan/parse-rule.ts';
export * from './plan/parse-save.ts';
export * from './plan/render-rule.ts';
export * from './plan/restore.ts';
export * from './plan/rule.ts';
export { splitWords } from './plan/words.ts';

// Of nftables.
export * from './plan/nft.ts';
export { canonicalElement, canonicalRule } from './plan/nft-canonical.ts';
export * from './plan/nft-diff.ts';
export type { NftExpression } from './plan/nft-expression.ts';
export * from './plan/nft-ruleset.ts';
export * from './plan/nft-set.ts';
export * from './plan/nft-statement.ts';

// Of ipset, conntrack and addresses.
export * from './plan/address.ts';
export * from './plan/conntrack.ts';
export * from './plan/ipset.ts';
export * from './plan/ipset-diff.ts';
export * from './plan/ipset-save.ts';

// What it all means.
export * from './plan/count.ts';
export { explainNftRule } from './plan/explain/explain-nft-rule.ts';
export { explainRule } from './plan/explain/explain-rule.ts';
export type { Packet } from './plan/explain/packet.ts';
export { walkChain } from './plan/explain/walk-chain.ts';
export type { WalkStep } from './plan/explain/walk-chain.ts';
export { walkNft } from './plan/explain/walk-nft.ts';
export type { NftWalkStep } from './plan/explain/walk-nft.ts';
