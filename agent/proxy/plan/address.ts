/** Which addresses and ports may become part of a rule. What is no address never reaches the kernel. */
export type AddressFamily = 'IPv4' | 'IPv6';

const V4_PART = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${V4_PART}(?:\\.${V4_PART}){3}$`);
const V6_GROUP = /^[0-9a-f]{1,4}$/i;

/** The family of a bare address; undefined if it is none. */
export function familyOf(address: string): AddressFamily | undefined {
  if (V4.test(address)) return 'IPv4';
  return groupsOf(address) === undefined ? undefined : 'IPv6';
}

/** The family of `address/length`; undefined if it is none. */
export function cidrFamilyOf(cidr: string): AddressFamily | undefined {
  const [address = '', length = '', ...rest] = cidr.split('/');
  const family = familyOf(address);
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  return Number(length) <= (family === 'IPv4' ? 32 : 128) ? family : undefined;
}

/** An address as a rule names it: with its prefix length. */
export function hostCidr(address: string): string {
  return address.includes(':') ? `${address}/128` : `${address}/32`;
}

/** 1 to 65535. */
export function isPort(port: number | undefined): port is number {
  return port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535;
}

/**
 * An address as it is compared and written: of IPv6 in lower case with the longest run of zeros cut out (RFC 5952). Undefined if it is none.
 */
export function canonicalAddress(address: string): string | undefined {
  if (V4.test(address)) return address;
  const groups = groupsOf(address);
  return groups === undefined ? undefined : textOf(groups);
}

/** The eight groups of an IPv6 address; undefined if it is none. */
function groupsOf(address: string): number[] | undefined {
  if (!address.includes(':') || address.includes('%')) return undefined;
  const halves = address.split('::');
  // A dotted end is the address's end, not that of what stands before the zeros.
  if (halves.length > 2 || (halves.length === 2 && halves[0]?.includes('.') === true)) return undefined;
  const [head, tail] = halves.map(half => (half === '' ? [] : half.split(':').flatMap(groupOf)));
  if (head === undefined || tail === undefined) return head?.length === 8 && head.every(isGroup) ? head : undefined;
  const zeros = 8 - head.length - tail.length;
  if (zeros < 1 || !head.every(isGroup) || !tail.every(isGroup)) return undefined;
  return [...head, ...Array.from({ length: zeros }, () => 0), ...tail];
}

/** One group; of a dotted end two. NaN for what is none. */
function groupOf(text: string, index: number, all: readonly string[]): number[] {
  if (V6_GROUP.test(text)) return [parseInt(text, 16)];
  if (index !== all.length - 1 || !V4.test(text)) return [NaN];
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

function isGroup(value: number): boolean {
  return !Number.isNaN(value);
}

function textOf(groups: readonly number[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > best.length) best = { at, length: end - at };
    if (end > at) at = end;
  }
  const hex = (part: readonly number[]): string => part.map(group => group.toString(16)).join(':');
  if (best.at < 0) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}
