/**
 * Addresses in the spelling that the kernel's tools print, so that what was written can be compared with what is listed:
 * IPv6 in lower case with its longest run of zeros left out, host bits of a prefix cleared.
 * Source: inet_ntop(3); RFC 5952.
 */

/**
 * The address as its tools print it.
 * @throws RangeError if it is none
 */
export function canonicalAddress(text: string): string {
  return formatBytes(parseBytes(text));
}

/**
 * The prefix with its host bits cleared, `10.0.0.7/8` as `10.0.0.0/8`; an address as a prefix of its whole length.
 * Netmasks are taken too: `10.0.0.0/255.0.0.0`.
 * @throws RangeError if it is none
 */
export function canonicalCidr(text: string): string {
  const slash = text.indexOf('/');
  const bytes = parseBytes(slash < 0 ? text : text.slice(0, slash));
  const length = slash < 0 ? bytes.length * 8 : prefixLength(text.slice(slash + 1), bytes.length);
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - i * 8))) & 0xff);
  return `${formatBytes(masked)}/${length}`;
}

/** Whether an address lies in a prefix; false if they are of two families. @throws RangeError if one of them is none */
export function cidrContains(cidr: string, address: string): boolean {
  const [, length = ''] = canonicalCidr(cidr).split('/');
  const family = (text: string): boolean => text.includes(':');
  return family(cidr) === family(address) && canonicalCidr(`${address}/${length}`) === canonicalCidr(cidr);
}

function prefixLength(text: string, byteCount: number): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= byteCount * 8) return Number(text);
  const mask = parseBytes(text);
  const bits = mask.map(byte => byte.toString(2).padStart(8, '0')).join('');
  if (mask.length !== byteCount || !/^1*0*$/.test(bits)) throw new RangeError(`${JSON.stringify(text)} is no netmask`);
  return bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0');
}

function parseBytes(text: string): number[] {
  const bytes = text.includes(':') ? parseSix(text) : parseFour(text);
  if (bytes === undefined) throw new RangeError(`${JSON.stringify(text)} is no IP address`);
  return bytes;
}

function parseFour(text: string): number[] | undefined {
  const parts = text.split('.');
  const good = parts.length === 4 && parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return good ? parts.map(Number) : undefined;
}

function parseSix(text: string): number[] | undefined {
  if (text.length > 45) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const four = dotted === null ? undefined : parseFour(dotted[2] ?? '');
  if (dotted !== null && four === undefined) return undefined;
  const hex = (a = 0, b = 0): string => ((a << 8) | b).toString(16);
  const plain = four === undefined ? text : `${dotted?.[1]}${hex(four[0], four[1])}:${hex(four[2], four[3])}`;
  const halves = plain.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map(half => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every(group => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.flatMap(group => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

function formatBytes(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const [start, length] = longestZeros(groups);
  const mapped = length === 5 && groups[5] === 0xffff;
  if (start === 0 && (length === 6 || (length === 7 && groups[7] !== 1) || mapped))
    return `::${mapped ? 'ffff:' : ''}${bytes.slice(12).join('.')}`;
  const text = (part: readonly number[]): string => part.map(group => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [-1, 0];
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > best[1]) best = [i, length];
  }
  return best;
}
