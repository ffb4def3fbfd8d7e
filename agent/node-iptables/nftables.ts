/** nftables by its own command. */
import { runCommand } from './run-command.ts';
import type { CommandOptions } from './run-command.ts';
import { renderNftChanges } from './plan/nft.ts';
import type { NftChange, NftCommand, NftFamily } from './plan/nft.ts';
import { parseNftJson } from './plan/nft-ruleset.ts';
import type { NftSavedChain, NftSavedSet, NftSavedTable } from './plan/nft-ruleset.ts';
import { safeName, safeText } from './plan/nft-text.ts';

/**
 * Carries out changes in any number of tables and families as one transaction: all or nothing.
 * @throws CommandError
 */
export async function applyNft(changes: readonly NftChange[], options: CommandOptions = {}): Promise<void> {
  const input = renderNftChanges(changes);
  if (input !== '') await runCommand(['nft', '-f', '-'], input, options);
}

/** One table of one family; every `apply` is one transaction. */
export class Nftables {
  readonly family: NftFamily;
  readonly table: string;
  private readonly options: CommandOptions;

  constructor(family: NftFamily, table: string, options: CommandOptions = {}) {
    this.family = family;
    this.table = safeName(table);
    this.options = options;
  }

  /** @throws CommandError */
  async apply(commands: readonly NftCommand[]): Promise<void> {
    await applyNft([{ family: this.family, table: this.table, commands }], this.options);
  }

  /** The same for input rendered before. @throws CommandError */
  async restore(input: string): Promise<void> {
    await runCommand(['nft', '-f', '-'], input, this.options);
  }

  /**
   * The table; undefined if it does not exist.
   * @param terse without elements of sets and maps: much cheaper where those are many
   */
  async list(terse = false): Promise<NftSavedTable | undefined> {
    return this.listing(['table', this.family, this.table], terse);
  }

  /** One chain with its rules; undefined if it does not exist. */
  async listChain(chain: string): Promise<NftSavedChain | undefined> {
    return (await this.listing(['chain', this.family, this.table, chain]))?.chains.get(chain);
  }

  /** One set or map with its elements; undefined if it does not exist. */
  async listSet(kind: 'set' | 'map', name: string): Promise<NftSavedSet | undefined> {
    return (await this.listing([kind, this.family, this.table, name]))?.sets.get(name);
  }

  /** Whether a set or map holds all of these keys; false also if it does not exist. The kernel is asked for these alone. */
  async hasElements(set: string, keys: readonly string[]): Promise<boolean> {
    const argv = [
      'nft',
      'get',
      'element',
      this.family,
      this.table,
      safeName(set),
      `{ ${keys.map(safeText).join(', ')} }`,
    ];
    return (await runCommand(argv, '', this.options, [0, 1])).exitCode === 0;
  }

  private async listing(what: readonly string[], terse = false): Promise<NftSavedTable | undefined> {
    const argv = ['nft', '-j', ...(terse ? ['-t'] : []), 'list', ...what.map(safeName)];
    const result = await runCommand(argv, '', this.options, [0, 1]);
    if (result.exitCode !== 0) return undefined;
    return parseNftJson(result.stdout).get(`${this.family} ${this.table}`);
  }
}
