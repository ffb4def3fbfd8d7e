/** ipset by its own command. */
import { absent, runCommand } from './run-command.ts';
import type { CommandInput, CommandOptions } from './run-command.ts';
import { renderIpset } from './plan/ipset.ts';
import type { IpsetCommand } from './plan/ipset.ts';
import { parseIpsetSave } from './plan/ipset-save.ts';
import type { IpsetSaved } from './plan/ipset-save.ts';

/** Commands run in order and stop at the first that fails; what stood before it may have been carried out. */
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
    if (commands.length > 0) await this.restore(renderIpset(commands), tolerant);
  }

  /** The same for input rendered before, whole or in pieces. @throws CommandError */
  async restore(input: CommandInput, tolerant = false): Promise<void> {
    await runCommand(['ipset', ...(tolerant ? ['-exist'] : []), 'restore'], input, this.options);
  }

  /** All sets by name, with their entries in an order that does not change. @throws CommandError */
  async save(): Promise<Map<string, IpsetSaved>> {
    return parseIpsetSave((await runCommand(['ipset', '-sorted', 'save'], '', this.options)).stdout);
  }

  /** One set; undefined if it does not exist. @throws CommandError */
  async saveSet(set: string): Promise<IpsetSaved | undefined> {
    const result = await runCommand(['ipset', '-sorted', 'save', set], '', this.options, absent);
    return result.exitCode === 0 ? parseIpsetSave(result.stdout).get(set) : undefined;
  }

  /** Names of all sets. */
  async names(): Promise<string[]> {
    return (await runCommand(['ipset', 'list', '-n'], '', this.options)).stdout.split('\n').filter(name => name !== '');
  }

  /** Entries of a set as text; undefined if it does not exist. */
  async entries(set: string): Promise<string[] | undefined> {
    return (await this.saveSet(set))?.entries.map(entry => entry.entry);
  }
}
