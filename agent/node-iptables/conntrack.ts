/** The kernel's table of connections, by the `conntrack` command. */
import { runCommand } from './run-command.ts';
import type { CommandOptions } from './run-command.ts';

/** Which flows; every field given must match. */
export interface FlowFilter {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Where the client sent it. */
  readonly originalDestination?: string;
  readonly originalPort?: number;
  /** Where DNAT sent it on. */
  readonly natDestination?: string;
}

/** Deletes flows so that their next packet is looked at afresh. */
export class Conntrack {
  private readonly options: CommandOptions;

  constructor(options: CommandOptions = {}) {
    this.options = options;
  }

  /**
   * Deletes all flows that match; none is no error.
   * @throws CommandError
   */
  async deleteFlows(filter: FlowFilter): Promise<void> {
    // Exit code 1 means that nothing matched.
    await runCommand(['conntrack', '-D', ...flowArguments(filter)], '', this.options, [0, 1]);
  }
}

/** The filter as words of `conntrack(8)`. */
export function flowArguments(filter: FlowFilter): string[] {
  const argv = [];
  const address = filter.originalDestination ?? filter.natDestination ?? '';
  if (address.includes(':')) argv.push('-f', 'ipv6');
  argv.push('-p', filter.protocol);
  if (filter.originalDestination !== undefined) argv.push('--orig-dst', filter.originalDestination);
  if (filter.originalPort !== undefined) argv.push('--dport', String(filter.originalPort));
  if (filter.natDestination !== undefined) argv.push('--dst-nat', filter.natDestination);
  return argv;
}
