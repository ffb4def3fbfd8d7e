/** ipset by its own command. */
import { runCommand } from './run-command.ts';
import type { CommandOptions } from './run-command.ts';
import { renderIpset } from './plan/ipset.ts';
import type { IpsetCommand } from './plan/ipset.ts';

/** Commands run in order and stop at the first that fails; what ran before it stays. */
export class Ipset {
  private readonly options: CommandOptions;

  constructor(options: CommandOptions = {}) {
    this.options = options;
  }

  /**
   * @param tolerant creating or adding what is there, and removing an entry that is not, is no error
   * @throws CommandError
   */
  async apply(commands: readonly IpsetCommand[], tolerant = false): Promise<void> {
    const argv = ['ipset', ...(tolerant ? ['-exist'] : []), 'restore'];
    if (commands.length > 0) await runCommand(argv, renderIpset(commands), this.options);
  }

  /** Entries of a set; undefined if it does not exist. */
  async entries(set: string): Promise<string[] | undefined> {
    const result = await runCommand(['ipset', 'save', set], '', this.options, [0, 1]);
    if (result.exitCode !== 0) return undefined;
    const prefix = `add ${set} `;
    return result.stdout.split('\n').flatMap(line => (line.startsWith(prefix) ? [line.slice(prefix.length)] : []));
  }
}
