/** Addresses and their names in the reverse zones, and CIDRs that hold them. */

/** What a name under `in-addr.arpa` or `ip6.arpa` stands for. */
export interface ReverseName {
  /** The address; undefined if the name is one of those above an address. IPv6 comes in full length. */
  readonly address: string | undefined;
  /** How the addresses below the name begin, in binary digits. */
  readonly bits: string;
  readonly family: 4 | 6;
  /** Its labels as far as they say something of an address, outermost first. */
  readonly parts: readonly string[];
}

/** @param name in lower case; undefined if it is none of them */
export function parseReverseName(name: string): ReverseName | undefined {
  const labels = name.split('.');
  if (labels.at(-1) !== 'arpa') return undefined;
  const parts = labels.slice(0, -2).reverse();
  if (labels.at(-2) === 'in-addr') {
    if (parts.length > 4 || !parts.every(isOctet)) return undefined;
    const address = parts.length === 4 ? parts.join('.') : undefined;
    return { address, bits: parts.map(part => binary(Number(part), 8)).join(''), family: 4, parts };
  }
  if (labels.at(-2) !== 'ip6' || parts.length > 32 || !parts.every(part => /^[0-9a-f]$/.test(part))) return undefined;
  const address = parts.length === 32 ? (parts.join('').match(/.{4}/g) ?? []).join(':') : undefined;
  return { address, bits: parts.map(part => binary(parseInt(part, 16), 4)).join(''), family: 6, parts };
}

/**
 * The reverse zone of `cidr` that a name lies in or is; undefined if it lies in none. A range that ends within a label counts as the zones
 * one label further down: those are wholly its own.
 */
export function reverseZoneOf(reverse: ReverseName, cidr: string): string | undefined {
  const [base = '', length = ''] = cidr.split('/');
  const family = base.includes(':') ? 6 : 4;
  if (family !== reverse.family || !reverse.bits.startsWith(addressBits(base).slice(0, Number(length))))
    return undefined;
  const labels = reverse.parts.slice(0, Math.ceil(Number(length) / (family === 4 ? 8 : 4)));
  return [...labels.reverse(), family === 4 ? 'in-addr.arpa' : 'ip6.arpa'].join('.');
}

/** IPv6 in full length and lower case, so that equal addresses are equal text; IPv4 as it is. */
export function fullAddress(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(zeros).fill('0'), ...right].map(group => group.padStart(4, '0')).join(':');
}

/** The address that `10-244-0-5` (or `fd00--1`) stands for in a pod's name. */
export function addressOfDashes(label: string): string | undefined {
  const v4 = label.split('-');
  if (v4.length === 4 && v4.every(isOctet)) return v4.join('.');
  const v6 = label.replaceAll('-', ':').toLowerCase();
  const isV6 = /^[0-9a-f:]{2,39}$/.test(v6) && v6.includes(':') && v6.split('::').length <= 2;
  return isV6 && /^([0-9a-f]{4}:){7}[0-9a-f]{4}$/.test(fullAddress(v6)) ? v6 : undefined;
}

/** `10-244-0-5`. */
export function dashesOf(address: string): string {
  return address.replaceAll(/[.:]/g, '-');
}

function addressBits(address: string): string {
  if (!address.includes(':'))
    return address
      .split('.')
      .map(part => binary(Number(part), 8))
      .join('');
  return [...fullAddress(address).replaceAll(':', '')].map(digit => binary(parseInt(digit, 16), 4)).join('');
}

/** Groups of an IPv6 address between colons; the last four bytes may be written as an IPv4 address. */
function groupsOf(text: string): string[] {
  if (text === '') return [];
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [group];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
  });
}

function isOctet(text: string): boolean {
  return /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255;
}

function binary(value: number, digits: number): string {
  return value.toString(2).padStart(digits, '0');
}
