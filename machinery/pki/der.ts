/**
 * The little of ASN.1 DER that certificates need: written here because node:crypto signs and reads certificates but cannot make them, and
 * a whole library would cost start-up time and memory. Source: ITU-T X.690.
 */

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, its content, and the bytes of both together. */
export interface DerNode {
  tag: number;
  content: Buffer;
  whole: Buffer;
}

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(length)]), ...parts]);
}

export function derSequence(...parts: readonly Uint8Array[]): Buffer {
  return der(TAG.sequence, ...parts);
}

/** A SET OF: elements in the order of their bytes, as DER asks. */
export function derSet(...parts: readonly Uint8Array[]): Buffer {
  return der(TAG.set, ...[...parts].sort(Buffer.compare));
}

/** `[n]` around its content. */
export function derExplicit(n: number, ...parts: readonly Uint8Array[]): Buffer {
  return der(0xa0 | n, ...parts);
}

/** An unsigned number. */
export function derInteger(value: Uint8Array): Buffer {
  let start = 0;
  while (start < value.length - 1 && value[start] === 0) start++;
  const digits = value.subarray(start);
  return (digits[0] ?? 0) >= 0x80 ? der(TAG.integer, Buffer.of(0), digits) : der(TAG.integer, digits);
}

export function derBitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return der(TAG.bitString, Buffer.of(unusedBits), bytes);
}

/** @param dotted `1.2.840.10045` */
export function derOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const septets = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      septets.unshift((left & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return der(TAG.oid, Buffer.from(bytes));
}

/** Strings that PrintableString can hold take it, as Go does; the others are UTF-8. */
export function derString(text: string): Buffer {
  const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text);
  return der(printable ? TAG.printableString : TAG.utf8String, Buffer.from(text, 'utf8'));
}

/** UTCTime until 2049, GeneralizedTime after; whole seconds. */
export function derTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  if (Number(digits.slice(0, 4)) >= 2050) return der(TAG.generalizedTime, Buffer.from(`${digits}Z`));
  return der(TAG.utcTime, Buffer.from(`${digits.slice(2)}Z`));
}

/**
 * Reads the element at `offset`.
 * @throws Error when the bytes are no complete DER element
 */
export function readDer(bytes: Buffer, offset = 0): DerNode {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new Error('malformed DER');
  let at = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || at + count > bytes.length) throw new Error('malformed DER');
    length = bytes.readUIntBE(at, count);
    at += count;
  }
  if (at + length > bytes.length) throw new Error('malformed DER');
  return { tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(offset, at + length) };
}

/** The elements inside `node`. */
export function readChildren(node: DerNode): DerNode[] {
  const children: DerNode[] = [];
  for (let at = 0; at < node.content.length;) {
    const child = readDer(node.content, at);
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

/** Takes an OBJECT IDENTIFIER apart. */
export function readOid(node: DerNode): string {
  if (node.tag !== TAG.oid || node.content.length === 0) throw new Error('malformed DER: an OID was expected');
  const first = node.content[0] ?? 0;
  const arcs = first < 80 ? [Math.floor(first / 40), first % 40] : [2, first - 80];
  let arc = 0;
  for (const byte of node.content.subarray(1)) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left & 0xff);
  return [0x80 | bytes.length, ...bytes];
}
