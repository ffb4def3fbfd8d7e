/** The kernel's table of connections, by the `conntrack` command. */
import { runCommand } from './run-command.ts';
import type { CommandOptions, CommandResult } from './run-command.ts';
import { flowArguments, parseFlows } from './plan/conntrack.ts';
import type { Flow, FlowFilter, FlowProtocol } from './plan/conntrack.ts';
import type { Family } from './plan/rule.ts';

/** Lists flows, and deletes them so that their next packet is looked at afresh. */
export class Conntrack {
  private readonly options: CommandOptions;

  constructor(options: CommandOptions = {}) {
    this.options = options;
  }

  /** The flows that there are. @throws CommandError */
  async listFlows(protocol: FlowProtocol, family: Family = 'ipv4'): Promise<Flow[]> {
    const argv = ['conntrack', '-L', '-f', family, '-p', protocol];
    return parseFlows((await runCommand(argv, '', this.options)).stdout);
  }

  /**
   * Deletes all flows that match; none is no error.
   * @throws CommandError
   */
  async deleteFlows(filter: FlowFilter): Promise<void> {
    const nothingMatched = (result: CommandResult): boolean =>
      result.exitCode === 1 && result.stderr.includes('0 flow entries');
    await runCommand(['conntrack', '-D', ...flowArguments(filter)], '', this.options, nothingMatched);
  }
}
