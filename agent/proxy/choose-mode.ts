/**
 * Looks at the host and decides, once, with what rules are written here (see plan/decide-mode.ts). It changes nothing: a legacy iptables
 * that nobody uses is not even asked, since asking loads its tables.
 */
import { CommandError, Iptables } from '../node-iptables/index.ts';
import type { CommandOptions, SavedTables } from '../node-iptables/index.ts';
import { runCommand } from '../node-iptables/run-command.ts';
import { decideMode } from './plan/decide-mode.ts';
import type { FilterFacts, IptablesVariant, ModeChoice, ProxyMode } from './plan/decide-mode.ts';

export type { ModeChoice, PacketFilter, ProxyMode } from './plan/decide-mode.ts';

/** Chains of ours, of other proxies of this cluster and of CNI plugins, which come back by themselves. */
const OWN_CHAIN = /^(KUBE|K8TS|CNI)-/;
const OWN_JUMP = /(?:^|\s)-[jg] (KUBE|K8TS|CNI)-/;

/** What the nftables back end asks of the kernel: NAT, verdict maps with intervals and concatenations. Checked, not applied. */
const NFT_PROBE = `
table ip k8ts-probe {
  map verdicts { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain services {
    fib daddr type local counter
    numgen random mod 2 vmap { 0 : drop, 1 : accept }
  }
  chain nat {
    type nat hook prerouting priority dstnat
    ip daddr . meta l4proto . th dport vmap @verdicts
  }
  chain masquerade {
    type nat hook postrouting priority srcnat
    meta mark & 0x4000 == 0x4000 masquerade fully-random
  }
}
`;

/** @throws ModeError if the mode that was asked for cannot work here */
export async function chooseMode(wanted: ProxyMode | 'auto', options: CommandOptions = {}): Promise<ModeChoice> {
  const choice = decideMode(wanted, await lookAtHost(options));
  if ('problem' in choice) throw new ModeError(choice.problem);
  return choice;
}

/** A mode was asked for that this host cannot have. */
export class ModeError extends Error {}

async function lookAtHost(options: CommandOptions): Promise<FilterFacts> {
  const [nftables, defaultVariant, nft, legacy] = await Promise.all([
    works(['nft', '-c', '-f', '-'], NFT_PROBE, options),
    defaultOf(options),
    variantFacts('nft', options),
    variantFacts('legacy', options),
  ]);
  return { nftables, defaultVariant, iptables: [nft, legacy].filter(found => found !== undefined) };
}

async function variantFacts(
  variant: IptablesVariant,
  options: CommandOptions,
): Promise<FilterFacts['iptables'][number] | undefined> {
  const iptables = new Iptables({ ...options, variant });
  try {
    if (variant === 'legacy' && !(await hasLegacyTables(options))) {
      await iptables.version();
      return { variant, foreignRules: false };
    }
    const saved = await iptables.save();
    return { variant, foreignRules: hasForeignRules(saved) };
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

function hasForeignRules(saved: SavedTables): boolean {
  for (const chains of saved.values()) {
    for (const [name, { policy, rules }] of chains) {
      if (policy !== undefined && policy !== 'ACCEPT' && policy !== '-') return true;
      if (!OWN_CHAIN.test(name) && rules.some(rule => !OWN_JUMP.test(rule.text))) return true;
    }
  }
  return false;
}

/** What plain `iptables` says it is, if it can read the kernel's rules at all. */
async function defaultOf(options: CommandOptions): Promise<IptablesVariant | undefined> {
  try {
    const text = await new Iptables(options).version();
    return text.includes('nf_tables') ? 'nft' : 'legacy';
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

async function hasLegacyTables(options: CommandOptions): Promise<boolean> {
  const names = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
  const { stdout } = await runCommand(['cat', ...names], '', options, () => true);
  return stdout.trim() !== '';
}

async function works(argv: readonly string[], input: string, options: CommandOptions): Promise<boolean> {
  try {
    await runCommand(argv, input, options);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
