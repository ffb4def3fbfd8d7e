/** What is known of a packet on its way through one chain. */
import type { Answer } from './packet.ts';

/**
 * What becomes of a packet that comes to a rule or chain: it goes on behind it, goes on or ends, goes back to where the chain was called
 * from, ends or goes back, or ends.
 */
export type End = 'continues' | 'may continue' | 'returns' | 'ends or returns' | 'ends';

/** Rules are passed in order until `pass()` says what became of the packet. */
export class Passage {
  private mayHaveEnded = false;
  private mayHaveReturned = false;

  /** Whether a packet that came to the chain comes to the next rule, too. */
  get stays(): 'yes' | 'perhaps' {
    return this.mayHaveEnded || this.mayHaveReturned ? 'perhaps' : 'yes';
  }

  /**
   * @param holds whether the rule is for the packet
   * @param end what becomes of it then
   * @returns what becomes of a packet that came to the chain, if that is known now; undefined if it may come to the next rule
   */
  pass(holds: Answer, end: End): End | undefined {
    if (end === 'continues') return undefined;
    const isLast = holds === 'yes' && end !== 'may continue';
    if (end !== 'returns') this.mayHaveEnded = true;
    if (end === 'returns' || end === 'ends or returns') this.mayHaveReturned = true;
    if (!isLast) return undefined;
    if (!this.mayHaveEnded) return 'continues';
    return this.mayHaveReturned ? 'may continue' : 'ends';
  }

  /** What becomes of a packet that came to the chain, after the last rule. */
  leave(): End {
    return this.mayHaveEnded ? 'may continue' : 'continues';
  }

  /** Of a rule that sends packets into another chain, by what becomes of them there. */
  static through(kind: 'jump' | 'goto', end: End): End {
    if (kind === 'jump') return end;
    return end === 'continues' ? 'returns' : end === 'may continue' ? 'ends or returns' : end;
  }
}
