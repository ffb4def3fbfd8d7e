/**
 * One spelling for what nft's language can say in several, so that what is wanted can be compared with what is listed. Implicit parts that
 * nft drops or adds by itself (`ip protocol icmp` before `icmp type`) are not known here: rules are wanted as nft lists them.
 */
import { canonicalCidr } from './address.ts';
import type { NftRuleBody } from './nft.ts';
import { statementsText } from './nft-statement.ts';

/** The text of a rule without counts, with numbers in decimal and the elements of anonymous sets and lists in order. */
export function canonicalRule(body: NftRuleBody): string {
  const text = typeof body === 'string' ? body : statementsText(body);
  return text
    .replace(/ packets \d+ bytes \d+/g, '')
    .replace(/"/g, '')
    .replace(/\b0x[0-9a-f]{1,13}\b/gi, hex => String(Number(hex)))
    .replace(/\{([^{}]*)\}/g, (_, inner: string) => `{ ${sorted(inner.split(','))} }`)
    .replace(/\S+,\S+/g, list => list.split(',').sort().join(','))
    .replace(/\s+/g, ' ')
    .trim();
}

/** A key or value of an element: addresses and prefixes as nft lists them, numbers in decimal, no quotes. */
export function canonicalElement(text: string): string {
  return text
    .trim()
    .split(/\s+\.\s+/)
    .map(canonicalPart)
    .join(' . ');
}

function canonicalPart(part: string): string {
  const plain = part.replace(/^"(.*)"$/, '$1');
  if (/^0x[0-9a-f]{1,13}$/i.test(plain)) return String(Number(plain));
  if (!/^[0-9a-f.:]+(\/\d+)?$/i.test(plain) || !/[.:]/.test(plain)) return plain;
  try {
    return canonicalCidr(plain).replace(plain.includes(':') ? /\/128$/ : /\/32$/, '');
  } catch {
    // Something else that looks alike, a MAC address for example.
    return plain;
  }
}

function sorted(items: readonly string[]): string {
  return items
    .map(item =>
      item
        .trim()
        .split(/\s+:\s+/)
        .map(canonicalElement)
        .join(' : '),
    )
    .sort()
    .join(', ');
}

const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};
const BRIDGE_PRIORITIES: Readonly<Record<string, number>> = { dstnat: -300, filter: -200, out: 100, srcnat: 300 };

/** `dstnat - 10` as a number; undefined if it is none of nft's names. */
export function priorityNumber(priority: string | number, family: string): number | undefined {
  if (typeof priority === 'number') return priority;
  const [, name = '', sign, offset] = /^([a-z]+)(?:\s*([+-])\s*(\d+))?$/.exec(priority.trim()) ?? [];
  const base = family === 'bridge' ? BRIDGE_PRIORITIES[name] : PRIORITIES[name];
  if (base === undefined) return /^-?\d+$/.test(priority.trim()) ? Number(priority) : undefined;
  return base + (sign === '-' ? -1 : 1) * Number(offset ?? 0);
}
