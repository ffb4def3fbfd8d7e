/** Addresses and their names in the reverse zones, and CIDRs that hold them. */

/** The address of `4.3.2.1.in-addr.arpa` or `....ip6.arpa`; undefined if it is no whole address. IPv6 comes in full length. */
export function addressOfReverseName(name: string): string | undefined {
  const labels = name.toLowerCase().split('.');
  if (labels.at(-1) !== 'arpa') return undefined;
  const parts = labels.slice(0, -2).reverse();
  if (labels.at(-2) === 'in-addr') {
    return parts.length === 4 && parts.every(isOctet) ? parts.join('.') : undefined;
  }
  if (labels.at(-2) !== 'ip6' || parts.length !== 32 || !parts.every(part => /^[0-9a-f]$/.test(part))) return undefined;
  return (parts.join('').match(/.{4}/g) ?? []).join(':');
}

/** IPv6 in full length and lower case, so that equal addresses are equal text; IPv4 as it is. */
export function fullAddress(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(zeros).fill('0'), ...right].map(group => group.padStart(4, '0')).join(':');
}

/** Whether an IPv4 address lies in an IPv4 CIDR. */
export function isInCidr(address: string, cidr: string): boolean {
  const [base = '', length = ''] = cidr.split('/');
  const [a, b] = [toNumber(address), toNumber(base)];
  if (a === undefined || b === undefined) return false;
  const bits = 32 - Number(length);
  return Math.floor(a / 2 ** bits) === Math.floor(b / 2 ** bits);
}

/** The address that `10-244-0-5` (or `fd00--1`) stands for in a pod's name. */
export function addressOfDashes(label: string): string | undefined {
  const v4 = label.split('-');
  if (v4.length === 4 && v4.every(isOctet)) return v4.join('.');
  const v6 = label.replaceAll('-', ':').toLowerCase();
  return /^[0-9a-f:]{2,39}$/.test(v6) && v6.includes(':') && isFull(fullAddress(v6)) ? v6 : undefined;
}

/** `10-244-0-5`. */
export function dashesOf(address: string): string {
  return address.replaceAll(/[.:]/g, '-');
}

function isOctet(text: string): boolean {
  return /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255;
}

function isFull(address: string): boolean {
  return /^([0-9a-f]{4}:){7}[0-9a-f]{4}$/.test(address);
}

function toNumber(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4 || !parts.every(isOctet)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}
