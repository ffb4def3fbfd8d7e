/** nftables by its own command. */
import { runCommand } from './run-command.ts';
import type { CommandOptions } from './run-command.ts';
import { renderNft } from './plan/nft.ts';
import type { NftCommand, NftFamily } from './plan/nft.ts';

/** One table of one family; every `apply` is one transaction. */
export class Nftables {
  private readonly family: NftFamily;
  private readonly table: string;
  private readonly options: CommandOptions;

  constructor(family: NftFamily, table: string, options: CommandOptions = {}) {
    this.family = family;
    this.table = table;
    this.options = options;
  }

  /** @throws CommandError */
  async apply(commands: readonly NftCommand[]): Promise<void> {
    if (commands.length === 0) return;
    await runCommand(['nft', '-f', '-'], renderNft(this.family, this.table, commands), this.options);
  }

  /** The table as `nft -j` prints it; undefined if it does not exist. */
  async list(): Promise<unknown> {
    const argv = ['nft', '-j', 'list', 'table', this.family, this.table];
    const result = await runCommand(argv, '', this.options, [0, 1]);
    return result.exitCode === 0 ? (JSON.parse(result.stdout) as unknown) : undefined;
  }
}
