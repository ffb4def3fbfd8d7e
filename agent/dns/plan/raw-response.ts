/**
 * A response of another server as bytes: passed on as they came, but for the id, the case of the name and the age of the records. So
 * every record type passes, known or not.
 */
import type { Query } from './decode-query.ts';
import { skipName } from './skip-name.ts';
import type { ZoneRecord } from './zone-records.ts';

/** What caching needs to know of a response. */
export interface RawResponse {
  readonly bytes: Buffer;
  /** Where the records' time to live stands. */
  readonly ttlOffsets: readonly number[];
  /** How long it may be kept; 0 for not at all. */
  readonly ttlSeconds: number;
  /** The name does not exist, or has no such records. */
  readonly isNegative: boolean;
}

const HEADER_BYTES = 12;
const TYPE_OPT = 41;
const TYPE_SOA = 6;
const RCODE_NXDOMAIN = 3;
const TRUNCATED = 0x02;
const MAX_POINTERS = 64;

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
  const rcode = rcodeOf(bytes);
  const isNegative = rcode === RCODE_NXDOMAIN || (rcode === 0 && answers === 0);
  const mayKeep = (rcode === 0 || rcode === RCODE_NXDOMAIN) && !isTruncated(bytes);
  const keep = isNegative ? Math.min(ttlSeconds, negativeTtl ?? 0) : ttlSeconds;
  return { bytes, ttlOffsets, ttlSeconds: mayKeep ? keep : 0, isNegative };
}

/** The response code of the header. */
export function rcodeOf(bytes: Buffer): number {
  return (bytes[3] ?? 0) & 0x0f;
}

export function isTruncated(bytes: Buffer): boolean {
  return ((bytes[2] ?? 0) & TRUNCATED) !== 0;
}

/** A copy for one client: its own id, the name in its own case, and records aged by `ageSeconds`. */
export function renewResponse(
  response: RawResponse,
  query: Pick<Query, 'id' | 'question'>,
  ageSeconds: number,
): Buffer {
  const bytes = Buffer.from(response.bytes);
  bytes.writeUInt16BE(query.id, 0);
  if (questionEnd(bytes) === HEADER_BYTES + query.question.length && bytes.readUInt16BE(4) === 1)
    query.question.copy(bytes, HEADER_BYTES);
  for (const at of response.ttlOffsets) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - ageSeconds), at);
  return bytes;
}

/** The same, older than it may be: every record may be used for `ttlSeconds` and no longer (RFC 8767). */
export function staleResponse(
  response: RawResponse,
  query: Pick<Query, 'id' | 'question'>,
  ttlSeconds: number,
): Buffer {
  const bytes = renewResponse(response, query, 0);
  for (const at of response.ttlOffsets) bytes.writeUInt32BE(ttlSeconds, at);
  return bytes;
}

/** Where the first question ends; undefined if it is not whole. */
export function questionEnd(bytes: Buffer): number | undefined {
  const end = skipName(bytes, HEADER_BYTES);
  return end === undefined || end + 4 > bytes.length ? undefined : end + 4;
}

/** Header and question alone (and `opt`, for clients that speak EDNS), with the bit that says: ask again over TCP. */
export function truncatedResponse(bytes: Buffer, opt: Buffer = Buffer.alloc(0)): Buffer {
  const end = bytes.readUInt16BE(4) > 0 ? (questionEnd(bytes) ?? HEADER_BYTES) : HEADER_BYTES;
  const short = Buffer.concat([bytes.subarray(0, end), opt]);
  short[2] = (short[2] ?? 0) | TRUNCATED;
  short.fill(0, 4, HEADER_BYTES);
  if (end > HEADER_BYTES) short[5] = 1;
  if (opt.length > 0) short[11] = 1;
  return short;
}

/** Addresses and aliases among the answers; none if they cannot be read. */
export function addressesOf(bytes: Buffer): ZoneRecord[] {
  const records: ZoneRecord[] = [];
  let at = questionEnd(bytes) ?? bytes.length;
  for (let i = 0; i < bytes.readUInt16BE(6); i++) {
    const [name, fields] = [readName(bytes, at), skipName(bytes, at)];
    if (name === undefined || fields === undefined || fields + 10 > bytes.length) return [];
    const [type, ttl, length] = [
      bytes.readUInt16BE(fields),
      bytes.readUInt32BE(fields + 4),
      bytes.readUInt16BE(fields + 8),
    ];
    const from = fields + 10;
    at = from + length;
    if (at > bytes.length) return [];
    const base = { name, ttl, class: 'IN' } as const;
    if (type === 1 && length === 4) records.push({ ...base, type: 'A', data: bytes.subarray(from, at).join('.') });
    if (type === 28 && length === 16)
      records.push({ ...base, type: 'AAAA', data: (bytes.toString('hex', from, at).match(/.{4}/g) ?? []).join(':') });
    const target = type === 5 ? readName(bytes, from) : undefined;
    if (target !== undefined) records.push({ ...base, type: 'CNAME', data: target });
  }
  return records;
}

/** The name at `from`, pointers followed; undefined if it is none, or cannot be written as text. */
function readName(bytes: Buffer, from: number): string | undefined {
  const labels: string[] = [];
  let at = from;
  let total = 0;
  for (let pointers = 0; pointers < MAX_POINTERS;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return labels.join('.');
    if (length >= 0xc0) {
      if (at + 2 > bytes.length) return undefined;
      at = bytes.readUInt16BE(at) & 0x3fff;
      pointers++;
      continue;
    }
    total += 1 + length;
    const label = bytes.toString('latin1', at + 1, at + 1 + length);
    if (length >= 0x40 || total > 254 || label.length < length || label.includes('.')) return undefined;
    labels.push(label);
    at += 1 + length;
  }
  return undefined;
}
