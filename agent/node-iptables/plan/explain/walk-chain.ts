/**
 * The way of a packet through the chains of iptables, rule by rule, as far as is known of it. What is not known is `perhaps`, and both ways
 * are followed.
 */
import { ParseError } from '../parse-error.ts';
import type { SavedChain } from '../parse-save.ts';
import { parseRule } from '../parse-rule.ts';
import type { Counters, Match, Rule } from '../rule.ts';
import { explainRule } from './explain-rule.ts';
import { answer, every, isInterface, isPortIn, isWithin } from './packet.ts';
import type { Answer, Packet } from './packet.ts';
import { Passage } from './passage.ts';
import type { End } from './passage.ts';

/** A rule that is for the packet, or may be. */
export interface WalkStep {
  /** 0 in the chain that the walk starts in, one more in each that is jumped to. */
  readonly depth: number;
  readonly chain: string;
  /** From 1, of all rules of the chain. */
  readonly index: number;
  readonly text: string;
  readonly sentence: string;
  /** Whether the packet comes here and the rule is for it. */
  readonly answer: 'yes' | 'perhaps';
  readonly counters?: Counters;
}

const MAX_STEPS = 10_000;
/** The kernel allows no loops; text from elsewhere may have them. */
const MAX_DEPTH = 64;

/** The steps of a packet from a chain's first rule on, at most 10,000. Rules that are surely not for it are left out. */
export function walkChain(chains: ReadonlyMap<string, SavedChain>, start: string, packet: Packet = {}): WalkStep[] {
  const steps: WalkStep[] = [];
  let mark = packet.mark;

  const walk = (chain: string, depth: number, arrives: 'yes' | 'perhaps'): End => {
    const passage = new Passage();
    for (const [i, saved] of (chains.get(chain)?.rules ?? []).entries()) {
      if (steps.length >= MAX_STEPS) return 'ends';
      const rule = parsed(saved.text);
      const { mark: _, ...rest } = packet;
      const holds = rule === undefined ? 'perhaps' : matches(rule, mark === undefined ? rest : { ...rest, mark });
      if (holds === 'no') continue;
      const surely = every([arrives, passage.stays, holds]) === 'yes' ? 'yes' : 'perhaps';
      const counters = saved.counters === undefined ? {} : { counters: saved.counters };
      const sentence = rule === undefined ? 'A rule that is not understood.' : explainRule(rule);
      steps.push({ depth, chain, index: i + 1, text: saved.text, sentence, answer: surely, ...counters });
      const end = passage.pass(holds, rule === undefined ? 'may continue' : follow(rule, depth, surely));
      if (end !== undefined) return end;
    }
    return passage.leave();
  };

  const follow = ({ target }: Rule, depth: number, comes: 'yes' | 'perhaps'): End => {
    switch (target?.kind) {
      case 'jump':
      case 'goto': {
        const end = depth >= MAX_DEPTH ? 'may continue' : walk(target.chain, depth + 1, comes);
        return Passage.through(target.kind, end);
      }
      case 'return':
        return 'returns';
      case 'mark':
        mark = comes === 'yes' && mark !== undefined ? ((mark & ~target.mask) ^ target.value) >>> 0 : undefined;
        return 'continues';
      case 'connectionMark':
        if (target.action === 'restore') mark = undefined;
        return 'continues';
      case 'accept':
      case 'drop':
      case 'reject':
      case 'dnat':
      case 'snat':
      case 'masquerade':
      case 'redirect':
        return 'ends';
      case 'log':
      case 'segmentSize':
      case 'noTrack':
      case undefined:
        return 'continues';
      case 'other':
        return 'may continue';
    }
  };

  walk(start, 0, 'yes');
  return steps;
}

/** Whether a rule is for a packet. */
export function matches(rule: Rule, packet: Packet): Answer {
  const { source, destination, inInterface, outInterface, protocol } = rule;
  const sameProtocol = packet.protocol === undefined ? undefined : packet.protocol === protocol;
  return every([
    source === undefined ? 'yes' : answer(isWithin(packet.source, source.cidr), source.not),
    destination === undefined ? 'yes' : answer(isWithin(packet.destination, destination.cidr), destination.not),
    inInterface === undefined ? 'yes' : answer(isInterface(packet.inInterface, inInterface.name, '+'), inInterface.not),
    outInterface === undefined
      ? 'yes'
      : answer(isInterface(packet.outInterface, outInterface.name, '+'), outInterface.not),
    protocol === undefined || protocol === 'all' ? 'yes' : answer(sameProtocol, rule.protocolNot),
    rule.fragments === 'only' ? 'perhaps' : 'yes',
    ...(rule.matches ?? []).map(match => holdsFor(match, packet)),
  ]);
}

function holdsFor(match: Match, packet: Packet): Answer {
  switch (match.kind) {
    case 'comment':
      return 'yes';
    case 'port': {
      const { source, destination } = match;
      return every([
        answer(packet.protocol === undefined ? undefined : packet.protocol === match.protocol),
        source === undefined ? 'yes' : answer(isPortIn(packet.sourcePort, [source]), source.not),
        destination === undefined ? 'yes' : answer(isPortIn(packet.destinationPort, [destination]), destination.not),
        match.flags === undefined ? 'yes' : 'perhaps',
      ]);
    }
    case 'ports': {
      const from = isPortIn(packet.sourcePort, match.ports);
      const to = isPortIn(packet.destinationPort, match.ports);
      const either = from === true || to === true ? true : from === undefined || to === undefined ? undefined : false;
      return answer({ source: from, destination: to, either }[match.side], match.not);
    }
    case 'mark':
      return answer(
        packet.mark === undefined ? undefined : (packet.mark & match.mask) >>> 0 === match.value >>> 0,
        match.not,
      );
    case 'addressType':
      return match.side === 'destination' && match.type === 'LOCAL' ? answer(packet.isLocal, match.not) : 'perhaps';
    case 'state':
      return answer(packet.state === undefined ? undefined : match.states.includes(packet.state), match.not);
    case 'recent':
      // It only writes something down.
      return match.action === 'set' ? 'yes' : 'perhaps';
    case 'icmp':
    case 'connectionMark':
    case 'addressRange':
    case 'limit':
    case 'random':
    case 'nth':
    case 'set':
    case 'other':
      return 'perhaps';
  }
}

function parsed(text: string): Rule | undefined {
  try {
    return parseRule(text);
  } catch (cause) {
    if (cause instanceof ParseError) return undefined;
    throw cause;
  }
}
