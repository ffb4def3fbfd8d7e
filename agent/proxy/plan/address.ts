/** Which addresses and ports may become part of a rule. What is no address never reaches the kernel. */
export type AddressFamily = 'IPv4' | 'IPv6';

const V4_PART = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${V4_PART}(?:\\.${V4_PART}){3}$`);
const V6_GROUP = /^[0-9a-f]{1,4}$/i;

/** The family of a bare address; undefined if it is none. */
export function familyOf(address: string): AddressFamily | undefined {
  if (V4.test(address)) return 'IPv4';
  return isIPv6(address) ? 'IPv6' : undefined;
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

function isIPv6(address: string): boolean {
  if (!address.includes(':') || address.includes('%')) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap(half => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1) ?? '';
  const mapped = last.includes('.');
  if (mapped && !V4.test(last)) return false;
  const plain = mapped ? groups.slice(0, -1) : groups;
  const count = plain.length + (mapped ? 2 : 0);
  return plain.every(group => V6_GROUP.test(group)) && (halves.length === 2 ? count < 8 : count === 8);
}
