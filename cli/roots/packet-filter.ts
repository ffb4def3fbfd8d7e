/** Which packet filter all parts of this node write their rules with, decided once, and the commands that do it. */
import { chooseMode, ModeError, type ModeChoice } from '../../agent/proxy/choose-mode.ts';
import { Iptables } from '../../agent/node-iptables/index.ts';
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
