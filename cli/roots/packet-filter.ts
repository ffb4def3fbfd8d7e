/** Which packet filter all parts of this node write their rules with, decided once, and the commands that do it. */
import { existsSync, readFileSync } from 'node:fs';
import { chooseMode, ModeError, type ModeChoice } from '../../agent/proxy/choose-mode.ts';
import { CommandError, Iptables, type Family } from '../../agent/node-iptables/index.ts';
import type { AddressFamily } from '../../agent/proxy/plan/address.ts';
import type { IptablesVariant } from '../../agent/proxy/plan/decide-mode.ts';
import { isMode } from '../proxy-flags.ts';
import { CliError, exitCodes } from '../exit-codes.ts';

export interface PacketFilterParts extends ModeChoice {
  /** Of the variant that was chosen; for those whose `packetFilter` is `iptables`. */
  readonly iptables: { readonly IPv4: Iptables; readonly IPv6: Iptables };
}

/** @throws CliError when what was asked for does not work on this host */
export async function choosePacketFilter(wanted: string): Promise<PacketFilterParts> {
  try {
    const choice = await chooseMode(isMode(wanted) ? wanted : 'auto');
    const variant = choice.iptablesVariant === undefined ? {} : { variant: choice.iptablesVariant };
    return {
      ...choice,
      iptables: {
        IPv4: new Iptables({ family: 'ipv4', ...variant }),
        IPv6: new Iptables({ family: 'ipv6', ...variant }),
      },
    };
  } catch (error) {
    if (!(error instanceof ModeError)) throw error;
    throw new CliError(`--proxy-mode ${wanted}: ${error.message}`, exitCodes.usage, { cause: error });
  }
}

/** One way to write rules. */
export type FilterName = 'nftables' | `iptables-${IptablesVariant}`;

/** Undefined where none works. */
export function filterNameOf({
  packetFilter,
  iptablesVariant = 'nft',
}: Pick<ModeChoice, 'packetFilter' | 'iptablesVariant'>): FilterName | undefined {
  if (packetFilter === 'none') return undefined;
  return packetFilter === 'nftables' ? 'nftables' : `iptables-${iptablesVariant}`;
}

/**
 * Those that may hold rules of ours on this host, whichever an earlier start chose. To ask legacy iptables is to load its tables, so
 * it is left out where nobody uses it.
 */
export function filtersInUse(families: readonly AddressFamily[] = ['IPv4', 'IPv6']): FilterName[] {
  return ['nftables', 'iptables-nft', ...(families.some(hasLegacyTables) ? ['iptables-legacy' as const] : [])];
}

/** Which iptables it is; undefined for nftables. */
export function variantOf(filter: FilterName): IptablesVariant | undefined {
  return filter === 'nftables' ? undefined : filter === 'iptables-nft' ? 'nft' : 'legacy';
}

function hasLegacyTables(family: AddressFamily): boolean {
  const file = `/proc/net/${family === 'IPv4' ? 'ip' : 'ip6'}_tables_names`;
  return existsSync(file) && readFileSync(file, 'utf8').trim() !== '';
}

/** Whether it says that this host has no such packet filter: then there are no rules of it. */
export function isOfNoFilter(error: unknown): boolean {
  return error instanceof CommandError && (error.failure === 'missing' || error.failure === 'unsupported');
}

/** As packet-filter commands say it. */
export function familyWord(family: AddressFamily): Family {
  return family === 'IPv4' ? 'ipv4' : 'ipv6';
}
