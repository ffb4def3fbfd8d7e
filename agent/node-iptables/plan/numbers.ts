/** Numbers of rules as text and back: ports, marks with masks, probabilities. */
import type { PortRange } from './rule.ts';

export interface Mark {
  readonly value: number;
  readonly mask: number;
}

const ALL_BITS = 0xffffffff;

/** @throws RangeError if a port is none */
export function renderPorts(range: PortRange, separator = ':'): string {
  for (const port of [range.from, range.to]) {
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`port ${port} is not in 0..65535`);
  }
  return range.from === range.to ? `${range.from}` : `${range.from}${separator}${range.to}`;
}

/** Undefined if it is no port or range of ports. */
export function parsePorts(text: string | undefined, separator = ':'): PortRange | undefined {
  const parts = text?.split(separator) ?? [];
  if (parts.length < 1 || parts.length > 2 || !parts.every(part => /^\d{1,5}$/.test(part))) return undefined;
  const [from = 0, to = from] = parts.map(Number);
  return { from, to };
}

/** @param always with its mask also if that is all bits */
export function renderMark({ value, mask }: Mark, always: boolean): string {
  return mask >>> 0 === ALL_BITS && !always ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** Undefined if it is no number of 32 bits. */
export function parseHex(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) return undefined;
  return Number(text) <= ALL_BITS ? Number(text) : undefined;
}

/** Undefined if it is no mark. */
export function parseMark(text: string | undefined): Mark | undefined {
  const [first, second, ...rest] = text?.split('/') ?? [];
  const value = parseHex(first);
  const mask = second === undefined ? ALL_BITS : parseHex(second);
  return value === undefined || mask === undefined || rest.length > 0 ? undefined : { value, mask };
}

/** The kernel keeps 31 bits of a probability; this is the number it prints afterwards. */
export function canonicalProbability(probability: number): number {
  return Number(renderProbability(probability));
}

/** @throws RangeError if it is not in 0..1 */
export function renderProbability(probability: number): string {
  if (!(probability >= 0 && probability <= 1)) throw new RangeError(`probability ${probability} is not in 0..1`);
  return (Math.min(Math.round(probability * 0x80000000), 0x7fffffff) / 0x80000000).toFixed(11);
}
