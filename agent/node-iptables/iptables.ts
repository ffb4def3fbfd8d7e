/**
 * iptables of one address family, by its own commands.
 *
 * - `apply` is atomic per table and touches nothing that the change does not name.
 * - Safe beside other users of iptables: every command waits for the lock.
 */
import { CommandError } from './command-error.ts';
import { lockHolder } from './lock-holder.ts';
import type { CommandInput, CommandOptions, CommandResult, Tolerated } from './run-command.ts';
import { absent, runCommand } from './run-command.ts';
import { parseSave } from './plan/parse-save.ts';
import type { SavedTables } from './plan/parse-save.ts';
import { splitWords, word } from './plan/words.ts';
import { renderRule } from './plan/render-rule.ts';
import { isEmptyChange, renderRestore } from './plan/restore.ts';
import type { RuleLike, TableChange } from './plan/restore.ts';
import type { Family, TableName } from './plan/rule.ts';

/** How to reach iptables. */
export interface IptablesOptions extends CommandOptions {
  readonly family?: Family;
  /** How long a command waits for the lock; default 30 s. */
  readonly waitSeconds?: number;
  /** `nft` or `legacy` to choose one of the two explicitly; the system's default otherwise. */
  readonly variant?: 'nft' | 'legacy';
}

// Of a chain that is not there, legacy's restore names the line alone.
const noSuchChain = (result: CommandResult): boolean =>
  absent(result) || (result.exitCode === 1 && /line \d+ failed$/m.test(result.stderr));
const noSuchRule = (result: CommandResult): boolean => result.exitCode === 1 && result.stderr.includes('Bad rule');

export class Iptables {
  readonly family: Family;
  private readonly options: IptablesOptions;

  constructor(options: IptablesOptions = {}) {
    this.options = options;
    this.family = options.family ?? 'ipv4';
  }

  /**
   * Carries changes out, each table as a whole or not at all.
   * @throws CommandError naming the line that was refused
   */
  async apply(changes: readonly TableChange[]): Promise<void> {
    const effective = changes.filter(change => !isEmptyChange(change));
    if (effective.length > 0) await this.restore(renderRestore(effective, this.family));
  }

  /** The same for input rendered before, whole or in pieces. @throws CommandError */
  async restore(input: CommandInput): Promise<void> {
    await this.locking([this.program('restore'), '--noflush', '--wait', this.wait()], input);
  }

  /** What the kernel holds, of one table or all that exist. */
  async save(table?: TableName, counters = false): Promise<SavedTables> {
    return parseSave(await this.saveText(table, counters));
  }

  /** The same as it was printed: of a hundred thousand rules there are better uses than a value each. */
  async saveText(table?: TableName, counters = false): Promise<string> {
    const argv = [this.program('save'), ...(table === undefined ? [] : ['-t', table]), ...(counters ? ['-c'] : [])];
    return (await runCommand(argv, '', this.options)).stdout;
  }

  /** The rules of one chain as text without `-A CHAIN`; undefined if the chain does not exist. Cheaper than `save`. */
  async listChain(table: TableName, chain: string): Promise<string[] | undefined> {
    const result = await this.run(['-t', table, '-S', chain], absent);
    if (result.exitCode !== 0) return undefined;
    const prefix = `-A ${chain} `;
    return result.stdout
      .split('\n')
      .filter(line => line.startsWith(prefix))
      .map(line => line.slice(prefix.length));
  }

  /**
   * The rules of any number of chains by one process, as `listChain` gives them and in the order asked for; undefined if one of the
   * chains does not exist. Chains of one table stand together, since reading a table is what costs. What only lists commits nothing.
   */
  async listChains(
    chains: readonly { readonly table: TableName; readonly chain: string }[],
  ): Promise<string[][] | undefined> {
    const lines = chains.flatMap(({ table, chain }, i) => {
      const list = `-S ${word(chain)}`;
      return table === chains[i - 1]?.table ? [list] : [...(i > 0 ? ['COMMIT'] : []), `*${table}`, list];
    });
    const argv = [this.program('restore'), '--noflush', '--wait', this.wait()];
    const result = await this.locking(argv, [...lines, 'COMMIT', ''].join('\n'), noSuchChain);
    if (result.exitCode !== 0) return undefined;
    const lists: string[][] = [];
    for (const line of result.stdout.split('\n')) {
      if (/^-[NP] /.test(line)) lists.push([]);
      else if (line.startsWith('-A ')) lists.at(-1)?.push(line.slice(line.indexOf(' ', 3) + 1));
    }
    return lists;
  }

  /** Whether a chain holds a rule. */
  async hasRule(table: TableName, chain: string, rule: RuleLike): Promise<boolean> {
    const argv = ['-t', table, '-C', chain, ...this.words(rule)];
    return (await this.run(argv, result => noSuchRule(result) || absent(result))).exitCode === 0;
  }

  /** Sets the counters of one chain, or all of a table, to zero. */
  async zero(table: TableName, chain?: string): Promise<void> {
    await this.run(['-t', table, '-Z', ...(chain === undefined ? [] : [chain])]);
  }

  /** `iptables v1.8.9 (nf_tables)`. @throws CommandError `missing` if there is none */
  async version(): Promise<string> {
    return (await runCommand([this.program(''), '--version'], '', this.options)).stdout.trim();
  }

  private run(argv: readonly string[], tolerated?: Tolerated): Promise<CommandResult> {
    return this.locking([this.program(''), '--wait', this.wait(), ...argv], '', tolerated);
  }

  /** Of a command that waits for the lock in vain it is said who holds it. */
  private async locking(argv: readonly string[], input: CommandInput, tolerated?: Tolerated): Promise<CommandResult> {
    try {
      return await runCommand(argv, input, this.patient(), tolerated);
    } catch (error) {
      const holder = error instanceof CommandError && error.failure === 'locked' ? await lockHolder() : undefined;
      if (holder === undefined || !(error instanceof CommandError)) throw error;
      throw new CommandError('locked', { ...error, stderr: `${error.stderr.trim()}\nheld by ${holder}`, cause: error });
    }
  }

  // Not stopped while it may still wait for the lock.
  private patient(): CommandOptions {
    return {
      ...this.options,
      timeoutMs: this.options.timeoutMs ?? Math.max(60_000, Number(this.wait()) * 1000 + 30_000),
    };
  }

  private words(rule: RuleLike): string[] {
    return splitWords(typeof rule === 'string' ? rule : renderRule(rule, this.family));
  }

  private wait(): string {
    return String(this.options.waitSeconds ?? 30);
  }

  private program(suffix: '' | 'restore' | 'save'): string {
    const base = this.family === 'ipv4' ? 'iptables' : 'ip6tables';
    const variant = this.options.variant === undefined ? '' : `-${this.options.variant}`;
    return `${base}${variant}${suffix === '' ? '' : `-${suffix}`}`;
  }
}
