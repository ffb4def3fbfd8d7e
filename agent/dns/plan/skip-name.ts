/** Where the name that begins at `from` ends; undefined if it is not whole. */
export function skipName(bytes: Buffer, from: number): number | undefined {
  let at = from;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : undefined;
    if (length >= 0x40) return undefined;
    at += 1 + length;
  }
}
