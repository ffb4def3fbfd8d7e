/** node-iptables: typed iptables, nftables, ipset and conntrack for Node.js. See README.md. */
export { CommandError } from './command-error.ts';
export type { CommandFailure } from './command-error.ts';
export type { CommandOptions } from './run-command.ts';
export { Conntrack } from './conntrack.ts';
export type { FlowFilter } from './conntrack.ts';
export { Ipset } from './ipset.ts';
export { Iptables } from './iptables.ts';
export type { IptablesOptions } from './iptables.ts';
export { Nftables } from './nftables.ts';
export * from './plan/diff.ts';
export * from './plan/ipset.ts';
export * from './plan/nft.ts';
export * from './plan/parse-rule.ts';
export * from './plan/parse-save.ts';
export * from './plan/render-rule.ts';
export * from './plan/restore.ts';
export * from './plan/rule.ts';
