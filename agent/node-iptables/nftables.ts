/** nftables by its own command. */
import { CommandError } from './command-error.ts';
import { absent, runCommand } from './run-command.ts';
import type { CommandInput, CommandOptions } from './run-command.ts';
import { renderNftChanges } from './plan/nft.ts';
import type { NftChange, NftCommand, NftFamily } from './plan/nft.ts';
import { parseNftJson } from './plan/nft-ruleset.ts';
import type { NftSavedChain, NftSavedSet, NftSavedTable } from './plan/nft-ruleset.ts';
import { safeName } from './plan/nft-text.ts';

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

  /** The same for input rendered before, whole or in pieces; still one transaction. @throws CommandError */
  async restore(input: CommandInput): Promise<void> {
    await runCommand(['nft', '-f', '-'], input, this.options);
  }

  /**
   * Whether the kernel would take these commands; it is asked, but nothing changes.
   * @throws CommandError on any other failure than a refusal
   */
  async wouldAccept(commands: readonly NftCommand[]): Promise<boolean> {
    const input = renderNftChanges([{ family: this.family, table: this.table, commands }]);
    try {
      await runCommand(['nft', '--check', '-f', '-'], input, this.options);
      return true;
    } catch (cause) {
      if (cause instanceof CommandError && cause.failure === 'refused') return false;
      throw cause;
    }
  }

  /**
   * Whether a set or map holds all of these keys; false also if it does not exist. Asked by a deletion that is not carried out,
   * since `nft get element` of 1.0.6 first reads every element of the table.
   */
  async hasElements(set: string, keys: readonly string[]): Promise<boolean> {
    return this.wouldAccept([{ kind: 'deleteElements', set, elements: keys }]);
  }

  /**
   * The table; undefined if it does not exist.
   * @param terse without elements of sets and maps: milliseconds, where the whole may take seconds
   */
  async list(terse = false): Promise<NftSavedTable | undefined> {
    // `nft -t list table` and `list chain` of 1.0.6 read all elements though they print none; `list ruleset` does not.
    return terse ? this.terse() : this.listing(['table', this.family, this.table]);
  }

  /** One chain with its rules; undefined if it does not exist. */
  async listChain(chain: string): Promise<NftSavedChain | undefined> {
    return (await this.terse())?.chains.get(chain);
  }

  /** One set or map with its elements; undefined if it does not exist. */
  async listSet(kind: 'set' | 'map', name: string): Promise<NftSavedSet | undefined> {
    return (await this.listing([kind, this.family, this.table, name]))?.sets.get(name);
  }

  /** Names of the table's chains: the cheapest sign that the table is there. */
  async chainNames(): Promise<ReadonlySet<string>> {
    const result = await runCommand(['nft', '-j', 'list', 'chains', this.family], '', this.options);
    return new Set(this.mine(result.stdout)?.chains.keys());
  }

  private async terse(): Promise<NftSavedTable | undefined> {
    return this.mine((await runCommand(['nft', '-j', '-t', 'list', 'ruleset', this.family], '', this.options)).stdout);
  }

  private async listing(what: readonly string[]): Promise<NftSavedTable | undefined> {
    const result = await runCommand(['nft', '-j', 'list', ...what.map(safeName)], '', this.options, absent);
    return result.exitCode === 0 ? this.mine(result.stdout) : undefined;
  }

  private mine(json: string): NftSavedTable | undefined {
    return parseNftJson(json).get(`${this.family} ${this.table}`);
  }
}
