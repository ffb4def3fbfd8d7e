/**
 * Which packet filter this node uses. Rules of iptables and of nftables both hold at once, so that either works beside the other; yet whoever
 * keeps this host's rules with iptables looks for ours there, and a chain of his that drops what is forwarded can only be answered there.
 */

/** What the host's rules are written with by all parts of k8ts; `none` where the kernel or the commands are missing. */
export type PacketFilter = 'iptables' | 'nftables' | 'none';

export type ProxyMode = 'iptables' | 'nftables' | 'userspace';

export type IptablesVariant = 'nft' | 'legacy';

/** What was found out about the host. */
export interface FilterFacts {
  /** Which iptables there are, each with whether rules that are not ours, or a policy other than ACCEPT, stand in it. */
  readonly iptables: readonly { readonly variant: IptablesVariant; readonly foreignRules: boolean }[];
  /** What plain `iptables` is; undefined if there is none, or it does not work. */
  readonly defaultVariant?: IptablesVariant | undefined;
  /** The `nft` command and what our rules need of the kernel are there. */
  readonly nftables: boolean;
}

export interface ModeChoice {
  readonly mode: ProxyMode;
  /** Decided with the mode, since network and policy write rules beside the proxy's. */
  readonly packetFilter: PacketFilter;
  /** Which iptables, if that is the packet filter. */
  readonly iptablesVariant?: IptablesVariant;
  /** Why, for the log. */
  readonly reason: string;
}

/** @returns the choice, or why what was asked for cannot be had */
export function decideMode(wanted: ProxyMode | 'auto', facts: FilterFacts): ModeChoice | { readonly problem: string } {
  const variant = variantOf(facts);
  const iptables = (reason: string): ModeChoice => ({
    mode: 'iptables',
    packetFilter: 'iptables',
    ...(variant === undefined ? {} : { iptablesVariant: variant }),
    reason,
  });
  const nftables = (reason: string): ModeChoice => ({ mode: 'nftables', packetFilter: 'nftables', reason });
  switch (wanted) {
    case 'iptables':
      return variant === undefined
        ? { problem: 'no iptables works here; install it, or choose another mode' }
        : iptables('as configured');
    case 'nftables':
      return facts.nftables
        ? nftables('as configured')
        : { problem: 'no nft works here (command and kernel, with NAT); install nftables, or choose another mode' };
    case 'auto':
      if (facts.iptables.some(found => found.foreignRules)) return iptables("this host's rules are kept with iptables");
      if (facts.nftables) return nftables('nothing on this host needs iptables');
      if (variant !== undefined) return iptables('no nft works here');
      return { mode: 'userspace', packetFilter: 'none', reason: 'neither nft nor iptables works here' };
    case 'userspace': {
      const rest = decideMode('auto', facts);
      return 'problem' in rest ? rest : { ...rest, mode: 'userspace', reason: 'as configured' };
    }
  }
}

/** The one that holds somebody's rules; of two or none the system's own. */
function variantOf(facts: FilterFacts): IptablesVariant | undefined {
  const used = facts.iptables.filter(found => found.foreignRules);
  if (used.length === 1) return used[0]?.variant;
  return facts.defaultVariant ?? facts.iptables[0]?.variant;
}
