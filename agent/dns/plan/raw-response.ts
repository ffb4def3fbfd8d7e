/**
 * A response of another server as bytes: passed on as they came, but for the id and the age of the records. So every record
 * type passes, known or not.
 */

/** What caching needs to know of a response. */
export interface RawResponse {
  readonly bytes: Buffer;
  /** Where the records' time to live stands. */
  readonly ttlOffsets: readonly number[];
  /** How long it may be kept; 0 for not at all. */
  readonly ttlSeconds: number;
}

const HEADER_BYTES = 12;
const TYPE_OPT = 41;
const TYPE_SOA = 6;
const RCODE_NXDOMAIN = 3;

/** @returns undefined if the bytes are no whole response */
export function parseRawResponse(bytes: Buffer, maxTtlSeconds: number): RawResponse | undefined {
  if (bytes.length < HEADER_BYTES || (bytes[2] ?? 0) < 0x80) return undefined;
  const counts = [4, 6, 8, 10].map(at => bytes.readUInt16BE(at));
  const [questions = 0, answers = 0, authorities = 0, additionals = 0] = counts;
  let at: number | undefined = HEADER_BYTES;
  for (let i = 0; i < questions; i++) {
    at = skipName(bytes, at);
    if (at === undefined || at + 4 > bytes.length) return undefined;
    at += 4;
  }
  const ttlOffsets: number[] = [];
  let ttlSeconds = maxTtlSeconds;
  let negativeTtl: number | undefined;
  for (let i = 0; i < answers + authorities + additionals; i++) {
    at = skipName(bytes, at);
    if (at === undefined || at + 10 > bytes.length) return undefined;
    const type = bytes.readUInt16BE(at);
    const ttl = bytes.readUInt32BE(at + 4);
    const end: number = at + 10 + bytes.readUInt16BE(at + 8);
    if (end > bytes.length) return undefined;
    if (type !== TYPE_OPT) {
      ttlOffsets.push(at + 4);
      ttlSeconds = Math.min(ttlSeconds, ttl);
      if (type === TYPE_SOA && i >= answers && i < answers + authorities && end - at >= 14) {
        negativeTtl = Math.min(ttl, bytes.readUInt32BE(end - 4));
      }
    }
    at = end;
  }
  const rcode = (bytes[3] ?? 0) & 0x0f;
  const isNegative = rcode === RCODE_NXDOMAIN || (rcode === 0 && answers === 0);
  const keep =
    rcode !== 0 && rcode !== RCODE_NXDOMAIN ? 0 : isNegative ? Math.min(ttlSeconds, negativeTtl ?? 0) : ttlSeconds;
  return { bytes, ttlOffsets, ttlSeconds: keep };
}

/** A copy for one client: its own id, and records aged by `ageSeconds`. */
export function renewResponse(response: RawResponse, id: number, ageSeconds: number): Buffer {
  const bytes = Buffer.from(response.bytes);
  bytes.writeUInt16BE(id, 0);
  for (const at of response.ttlOffsets) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - ageSeconds), at);
  return bytes;
}

/** Where the first question ends; undefined if it is not whole. */
export function questionEnd(bytes: Buffer): number | undefined {
  const end = skipName(bytes, HEADER_BYTES);
  return end === undefined || end + 4 > bytes.length ? undefined : end + 4;
}

/** Header and question alone, with the bit that says: ask again over TCP. */
export function truncatedResponse(bytes: Buffer): Buffer {
  const end = bytes.readUInt16BE(4) > 0 ? (questionEnd(bytes) ?? HEADER_BYTES) : HEADER_BYTES;
  const short = Buffer.from(bytes.subarray(0, end));
  short[2] = (short[2] ?? 0) | 0x02;
  short.fill(0, 6, HEADER_BYTES);
  if (end === HEADER_BYTES) short.writeUInt16BE(0, 4);
  return short;
}

function skipName(bytes: Buffer, from: number): number | undefined {
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
