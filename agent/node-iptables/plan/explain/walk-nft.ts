/** The way of a packet through the chains of a table of nftables, elements of maps included, as far as is known of it. */
import { single } from '../nft-json.ts';
import type { NftSavedElement, NftSavedRule, NftSavedTable } from '../nft-ruleset.ts';
import { statementsText, statementText } from '../nft-statement.ts';
import type { Counters } from '../rule.ts';
import { explainNftRule } from './explain-nft-rule.ts';
import { conditionHolds, lookUp } from './nft-conditions.ts';
import type { Found } from './nft-conditions.ts';
import { every } from './packet.ts';
import type { Packet } from './packet.ts';
import { Passage } from './passage.ts';
import type { End } from './passage.ts';

/** A rule that is for the packet, or may be. */
export interface NftWalkStep {
  /** 0 in the chain that the walk starts in, one more in each that is jumped to. */
  readonly depth: number;
  readonly chain: string;
  readonly handle: number;
  readonly text: string;
  readonly sentence: string;
  readonly answer: 'yes' | 'perhaps';
  /** Elements of the map that the rule looks into which are for the packet, or may be. */
  readonly elements: readonly NftSavedElement[];
  readonly counters?: Counters;
}

type Certain = 'yes' | 'perhaps';

const MAX_STEPS = 10_000;
const MAX_DEPTH = 64;
const FINAL: ReadonlySet<string> = new Set([
  'accept',
  'drop',
  'reject',
  'dnat',
  'snat',
  'masquerade',
  'redirect',
  'queue',
]);

/**
 * The steps of a packet from a chain's first rule on, at most 10,000. Rules that are surely not for it are left out.
 * @param table with elements of its maps; without them what a map leads to is not known
 */
export function walkNft(table: NftSavedTable, start: string, packet: Packet = {}): NftWalkStep[] {
  const steps: NftWalkStep[] = [];

  const walk = (chain: string, depth: number, arrives: Certain): End => {
    const passage = new Passage();
    for (const rule of table.chains.get(chain)?.rules ?? []) {
      if (steps.length >= MAX_STEPS) return 'ends';
      const holds = every(rule.statements.map(statement => conditionHolds(table, statement, packet)));
      if (holds === 'no') continue;
      const found = rule.statements.map(statement => lookUp(table, statement, packet)).find(list => list !== undefined);
      // A verdict map without an element for the packet lets it go on.
      if (found !== undefined && found.elements.length === 0 && found.isComplete) continue;
      const surely: Certain =
        every([arrives, passage.stays, holds]) === 'yes' && found?.isSure !== false ? 'yes' : 'perhaps';
      steps.push({
        depth,
        chain,
        handle: rule.handle,
        text: statementsText(rule.statements),
        sentence: explainNftRule(rule),
        answer: surely,
        elements: found?.elements ?? [],
        ...(rule.counters === undefined ? {} : { counters: rule.counters }),
      });
      const end = passage.pass(holds, follow(rule, depth, surely, found));
      if (end !== undefined) return end;
    }
    return passage.leave();
  };

  const follow = (rule: NftSavedRule, depth: number, comes: Certain, found: Found | undefined): End => {
    const last = rule.statements.at(-1);
    if (last === undefined) return 'continues';
    const [kind] = single(last);
    if (kind !== 'vmap') return verdict(statementText(last), depth, comes);
    const verdicts = new Set(found?.elements.map(({ value }) => value ?? ''));
    const ends = Array.from(verdicts, value => verdict(value, depth, comes));
    const [first] = ends;
    return first !== undefined && found?.isSure === true && ends.length === 1 ? first : 'may continue';
  };

  const verdict = (text: string, depth: number, comes: Certain): End => {
    const [word = '', chain = ''] = text.split(' ');
    if (word === 'jump' || word === 'goto') {
      const end = depth >= MAX_DEPTH ? 'may continue' : walk(chain, depth + 1, comes);
      return Passage.through(word, end);
    }
    if (word === 'return') return 'returns';
    return FINAL.has(word) ? 'ends' : 'continues';
  };

  walk(start, 0, 'yes');
  return steps;
}
