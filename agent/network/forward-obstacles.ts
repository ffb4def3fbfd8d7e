/**
 * Chains of somebody else that drop what is forwarded, unless a rule of theirs lets it pass: an accept of ours holds for the chain that it
 * stands in alone. Whether such a rule is there cannot be seen from outside, so this is told and no more.
 */
import { CommandError, parseNftJson } from '../node-iptables/index.ts';
import { runCommand } from '../node-iptables/run-command.ts';
import type { CommandOptions } from '../node-iptables/index.ts';

/** @param answered whether rules of ours stand in iptables' own chain, and answer it @returns a sentence for each; none where there is no `nft` */
export async function forwardObstacles(answered: boolean, options: CommandOptions = {}): Promise<string[]> {
  try {
    const { stdout } = await runCommand(['nft', '-j', 'list', 'chains'], '', options);
    return [...parseNftJson(stdout)].flatMap(([table, { chains }]) =>
      [...chains.values()]
        .filter(({ hook }) => hook?.hook === 'forward' && hook.policy === 'drop')
        .filter(({ name }) => !(answered && /^ip6? filter$/.test(table) && name === 'FORWARD'))
        .map(({ name }) => `the chain ${name} of table ${table} drops what is forwarded unless it accepts it itself`),
    );
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}
