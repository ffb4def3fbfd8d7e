/**
 * What the kernel has of our chains, as little of it as is needed: a hash of the rules of each. Ten thousand services are usual, so what
 * `iptables-save` prints is read where it stands, and nothing of it is kept.
 */
import { Buffer } from 'node:buffer';
import { isServiceChain } from './chain-names.ts';
import { BASE_CHAINS } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { ROOT_CHAINS, isBranch } from './iptables-branches.ts';

/** A chain of ours. */
export interface KernelChain {
  /** Of its name and rules; see `ChainHash`. */
  readonly hash: number;
  /** How many. */
  readonly rules: number;
}

/** One table. */
export interface KernelTable {
  readonly ours: Map<string, KernelChain>;
  /** Rules of the kernel's own chains and of others', as text. */
  readonly foreign: Map<string, string[]>;
}

/** Whether a chain is the proxy's own. */
export function isOurs(table: ProxyTable, chain: string): boolean {
  const fixed: readonly string[] = [...BASE_CHAINS[table], ...ROOT_CHAINS[table]];
  return fixed.includes(chain) || isBranch(chain) || (table === 'nat' && isServiceChain(chain));
}

/** @param text what `iptables-save` printed of the table */
export function readKernel(table: ProxyTable, text: string): KernelTable {
  const ours = new Map<string, KernelChain>();
  const foreign = new Map<string, string[]>();
  let current: { readonly name: string; readonly hash: ChainHash } | undefined;
  const close = (): void => {
    if (current !== undefined) ours.set(current.name, current.hash.value());
    current = undefined;
  };
  for (let start = 0; start < text.length;) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    if (text[start] === ':') {
      const name = ownCopy(text.slice(start + 1, text.indexOf(' ', start)));
      if (isOurs(table, name)) ours.set(name, new ChainHash(name).value());
      else foreign.set(name, []);
    } else if (text.startsWith('-A ', start)) {
      const space = text.indexOf(' ', start + 3);
      const nameEnd = space < 0 || space > end ? end : space;
      if (current === undefined || !isAt(text, start + 3, nameEnd, current.name)) {
        close();
        const name = ownCopy(text.slice(start + 3, nameEnd));
        if (ours.has(name)) current = { name, hash: new ChainHash(name) };
        else foreign.get(name)?.push(ownCopy(text.slice(nameEnd + 1, end)));
      }
      current?.hash.add(text, nameEnd + 1, end);
    }
    start = end + 1;
  }
  close();
  return { ours, foreign };
}

function isAt(text: string, from: number, to: number, word: string): boolean {
  return to - from === word.length && text.startsWith(word, from);
}

/** A slice would keep the whole text in memory. */
function ownCopy(slice: string): string {
  return Buffer.from(slice).toString();
}

/** 53 bits of two FNV-1a hashes: enough that a changed chain is never taken for the same. */
export class ChainHash {
  private low = 0x811c9dc5;
  private high = 0x01000193;
  private rules = -1;

  constructor(chain: string) {
    this.add(chain);
  }

  static of(chain: string, rules: readonly string[]): KernelChain {
    const hash = new ChainHash(chain);
    for (const rule of rules) hash.add(rule);
    return hash.value();
  }

  /** One more rule, which stands in `text` from `start` to `end`. */
  add(text: string, start = 0, end = text.length): void {
    let { low, high } = this;
    for (let i = start; i < end; i++) {
      const code = text.charCodeAt(i);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x85ebca6b) + low;
    }
    this.low = Math.imul(low ^ 10, 0x01000193);
    this.high = high;
    this.rules++;
  }

  value(): KernelChain {
    return { hash: (this.low >>> 0) + (this.high & 0x1fffff) * 0x1_0000_0000, rules: this.rules };
  }
}
