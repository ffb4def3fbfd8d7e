/**
 * Bytes to a question, by hand: this runs for every packet that no kept answer fits.
 *
 * - What is no query at all (too short, a response) gets no answer: answering would let others make us shout at third parties.
 * - Nothing is followed and nothing is read twice, so the work is bounded by the packet's length whatever it says of itself.
 *
 * Source: RFC 1035, 4.1; RFC 6891 (EDNS).
 */
import { skipName } from './skip-name.ts';

/** A query worth an answer. */
export interface Query {
  readonly id: number;
  /** As the client wrote it, without the last dot; bytes as latin1, dots within labels escaped. */
  readonly name: string;
  /** `A`, `AAAA`, `SRV`; `TYPE65280` for those without a name here. */
  readonly type: string;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** Longest answer over UDP; 512 without EDNS. */
  readonly udpBytes: number;
  readonly edns: { readonly dnssecOk: boolean } | undefined;
  /** The question section, byte for byte, to be sent back. */
  readonly question: Buffer;
}

export type Rcode = 'NOERROR' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED';

export type DecodedQuery =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'bad'; readonly rcode: Rcode | 'BADVERS'; readonly reply: Buffer }
  | { readonly kind: 'ignore' };

export const RCODES: Record<Rcode, number> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
};

/** The types that a client of a cluster asks for; of all others the number will do. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  13: 'HINFO',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  35: 'NAPTR',
  43: 'DS',
  48: 'DNSKEY',
  64: 'SVCB',
  65: 'HTTPS',
  251: 'IXFR',
  252: 'AXFR',
  255: 'ANY',
};

export const HEADER_BYTES = 12;
/** What we say that we take over UDP: no fragments on any link. */
export const OUR_UDP_BYTES = 1232;
export const DNSSEC_OK = 0x8000;
const MAX_UDP_BYTES = 4096;
const MIN_UDP_BYTES = 512;
const MAX_NAME_BYTES = 255;
const TYPE_OPT = 41;
const CLASS_IN = 1;
const DOT = 0x2e;

export function decodeQuery(bytes: Buffer): DecodedQuery {
  if (bytes.length < HEADER_BYTES || ((bytes[2] ?? 0) & 0x80) !== 0) return { kind: 'ignore' };
  if (((bytes[2] ?? 0) & 0x78) !== 0) return bad(bytes, 'NOTIMP');
  if (bytes.readUInt16BE(4) !== 1) return bad(bytes, 'FORMERR');
  const nameEnd = endOfPlainName(bytes, HEADER_BYTES);
  if (nameEnd === undefined || nameEnd + 4 > bytes.length) return bad(bytes, 'FORMERR');
  const questionEnd = nameEnd + 4;
  const opt = findOpt(bytes, questionEnd);
  if (opt === 'malformed') return bad(bytes, 'FORMERR', questionEnd);
  if (opt !== undefined && opt.version !== 0)
    return { kind: 'bad', rcode: 'BADVERS', reply: badVersion(bytes, questionEnd) };
  const code = bytes.readUInt16BE(nameEnd);
  const type = TYPE_NAMES[code] ?? `TYPE${code}`;
  if (bytes.readUInt16BE(nameEnd + 2) !== CLASS_IN || type === 'AXFR' || type === 'IXFR')
    return bad(bytes, 'REFUSED', questionEnd);
  return {
    kind: 'query',
    query: {
      id: bytes.readUInt16BE(0),
      name: nameText(bytes, HEADER_BYTES),
      type,
      recursionDesired: ((bytes[2] ?? 0) & 1) !== 0,
      checkingDisabled: ((bytes[3] ?? 0) & 0x10) !== 0,
      udpBytes: opt === undefined ? MIN_UDP_BYTES : Math.min(MAX_UDP_BYTES, Math.max(MIN_UDP_BYTES, opt.udpBytes)),
      edns: opt === undefined ? undefined : { dnssecOk: opt.dnssecOk },
      question: Buffer.from(bytes.subarray(HEADER_BYTES, questionEnd)),
    },
  };
}

/** Where a name without pointers ends (the first name of a message cannot point anywhere); undefined if it is none. */
function endOfPlainName(bytes: Buffer, from: number): number | undefined {
  let at = from;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length >= 0x40 || at - from >= MAX_NAME_BYTES) return undefined;
    if (length === 0) return at + 1;
    at += 1 + length;
  }
}

function nameText(bytes: Buffer, from: number): string {
  let text = '';
  for (let at = from; (bytes[at] ?? 0) !== 0; at += 1 + (bytes[at] ?? 0)) {
    const end = at + 1 + (bytes[at] ?? 0);
    const label = bytes.toString('latin1', at + 1, end);
    const plain = bytes.indexOf(DOT, at + 1);
    if (at !== from) text += '.';
    text += plain >= 0 && plain < end ? label.replaceAll('.', '\\046') : label;
  }
  return text;
}

interface Opt {
  readonly udpBytes: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

/** The one OPT record behind the question; everything before it must be whole. */
function findOpt(bytes: Buffer, from: number): Opt | 'malformed' | undefined {
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  let at = from;
  let found: Opt | undefined;
  for (let i = 0; i < records; i++) {
    const isRoot = bytes[at] === 0;
    const fields = skipName(bytes, at);
    if (fields === undefined || fields + 10 > bytes.length) return 'malformed';
    at = fields + 10 + bytes.readUInt16BE(fields + 8);
    if (at > bytes.length) return 'malformed';
    if (bytes.readUInt16BE(fields) !== TYPE_OPT) continue;
    if (!isRoot || found !== undefined) return 'malformed';
    found = {
      udpBytes: bytes.readUInt16BE(fields + 2),
      version: bytes[fields + 5] ?? 0,
      dnssecOk: (bytes.readUInt16BE(fields + 6) & DNSSEC_OK) !== 0,
    };
  }
  return found;
}

/** Of the query only the header can be trusted, and the question if it was whole. */
function bad(bytes: Buffer, rcode: Rcode, questionEnd = HEADER_BYTES): DecodedQuery {
  const reply = Buffer.from(bytes.subarray(0, questionEnd));
  reply.fill(0, 4, HEADER_BYTES);
  reply[2] = ((reply[2] ?? 0) & 0x79) | 0x80;
  reply[3] = 0x80 | RCODES[rcode];
  if (questionEnd > HEADER_BYTES) reply[5] = 1;
  return { kind: 'bad', rcode, reply };
}

function badVersion(bytes: Buffer, questionEnd: number): Buffer {
  const reply = Buffer.concat([bytes.subarray(0, questionEnd), optRecord(false, 1)]);
  reply.fill(0, 4, HEADER_BYTES);
  reply[2] = ((reply[2] ?? 0) & 0x79) | 0x80;
  reply[3] = 0x80;
  reply[5] = 1;
  reply[11] = 1;
  return reply;
}

/** An OPT record without options. */
export function optRecord(dnssecOk: boolean, extendedRcode = 0): Buffer {
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(TYPE_OPT, 1);
  opt.writeUInt16BE(OUR_UDP_BYTES, 3);
  opt[5] = extendedRcode;
  opt.writeUInt16BE(dnssecOk ? DNSSEC_OK : 0, 7);
  return opt;
}
