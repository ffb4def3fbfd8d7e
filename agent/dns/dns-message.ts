/**
 * Bytes to questions and answers to bytes, over `dns-packet`. Loaded when the server starts.
 *
 * - What is no query at all (too short, a response) gets no answer: answering would let others make us shout at third parties.
 * - An answer over UDP is never longer than the client takes; what does not fit is left out and the truncation bit set.
 */
import * as packet from 'dns-packet';
import { encodeMessage } from './plan/encode-message.ts';
import { questionEnd } from './plan/raw-response.ts';
import type { ZoneRecord } from './plan/zone-records.ts';

/** A query worth an answer. */
export interface Query {
  readonly id: number;
  readonly name: string;
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

const RCODES: Record<Rcode, number> = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };
const OUR_UDP_BYTES = 1232;
const HEADER_BYTES = 12;
const DO_BIT = 0x8000;

export type DecodedQuery =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'bad'; readonly reply: Buffer }
  | { readonly kind: 'ignore' };

export function decodeQuery(bytes: Buffer): DecodedQuery {
  if (bytes.length < HEADER_BYTES || ((bytes[2] ?? 0) & 0x80) !== 0) return { kind: 'ignore' };
  if (((bytes[2] ?? 0) & 0x78) !== 0) return { kind: 'bad', reply: errorReply(bytes, 'NOTIMP') };
  if (bytes.readUInt16BE(4) !== 1) return { kind: 'bad', reply: errorReply(bytes, 'FORMERR') };
  let decoded: packet.DecodedPacket;
  try {
    decoded = packet.decode(bytes);
  } catch {
    return { kind: 'bad', reply: errorReply(bytes, 'FORMERR') };
  }
  const question = decoded.questions?.[0];
  const end = questionEnd(bytes);
  if (question === undefined || end === undefined) return { kind: 'bad', reply: errorReply(bytes, 'FORMERR') };
  const type: string = question.type;
  if (question.class !== 'IN' || type === 'AXFR' || type === 'IXFR')
    return { kind: 'bad', reply: errorReply(bytes, 'REFUSED') };
  const opt = decoded.additionals?.find(record => record.type === 'OPT');
  const edns = opt?.type === 'OPT' ? opt : undefined;
  return {
    kind: 'query',
    query: {
      id: decoded.id ?? 0,
      name: question.name === '.' ? '' : question.name,
      type,
      recursionDesired: ((bytes[2] ?? 0) & 1) !== 0,
      checkingDisabled: ((bytes[3] ?? 0) & 0x10) !== 0,
      udpBytes: edns === undefined ? 512 : Math.min(4096, Math.max(512, edns.udpPayloadSize)),
      edns: edns === undefined ? undefined : { dnssecOk: (edns.flags & DO_BIT) !== 0 },
      question: Buffer.from(bytes.subarray(HEADER_BYTES, end)),
    },
  };
}

/** An answer of ours. */
export interface Answer {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers?: readonly ZoneRecord[];
  readonly authorities?: readonly ZoneRecord[];
  readonly additionals?: readonly ZoneRecord[];
}

/** @param maxBytes undefined over TCP */
export function encodeAnswer(query: Query, answer: Answer, maxBytes: number | undefined): Buffer {
  const { answers = [], authorities = [], additionals = [] } = answer;
  const encode = (count: number, withAdditionals: boolean): Buffer =>
    encodeMessage({
      id: query.id,
      flags:
        (answer.authoritative ? packet.AUTHORITATIVE_ANSWER : 0) |
        (query.recursionDesired ? packet.RECURSION_DESIRED : 0) |
        packet.RECURSION_AVAILABLE |
        (count < answers.length ? packet.TRUNCATED_RESPONSE : 0) |
        RCODES[answer.rcode],
      question: query.question,
      answers: answers.slice(0, count),
      authorities,
      additionals: withAdditionals ? additionals : [],
      edns: query.edns === undefined ? undefined : { udpBytes: OUR_UDP_BYTES, dnssecOk: query.edns.dnssecOk },
    });
  let bytes = encode(answers.length, true);
  if (maxBytes === undefined || bytes.length <= maxBytes) return bytes;
  bytes = encode(answers.length, false);
  if (bytes.length <= maxBytes) return bytes;
  // The largest number of answers that fits.
  let [fits, tooMany] = [0, answers.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (encode(middle, false).length <= maxBytes) fits = middle;
    else tooMany = middle;
  }
  return encode(fits, false);
}

/** A query of our own to another server. */
export function encodeForward(id: number, query: Query): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(packet.RECURSION_DESIRED | (query.checkingDisabled ? packet.CHECKING_DISABLED : 0), 2);
  header.writeUInt16BE(1, 4);
  if (query.edns === undefined) return Buffer.concat([header, query.question]);
  header.writeUInt16BE(1, 10);
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(41, 1);
  opt.writeUInt16BE(OUR_UDP_BYTES, 3);
  opt.writeUInt32BE(query.edns.dnssecOk ? DO_BIT : 0, 5);
  return Buffer.concat([header, query.question, opt]);
}

/** The same query for another name: what an alias leads to. */
export function retarget(query: Query, name: string): Query {
  const typeAndClass = query.question.subarray(query.question.length - 4);
  const labels = name.split('.').flatMap(label => [Buffer.from([Buffer.byteLength(label) & 63]), Buffer.from(label)]);
  return { ...query, name, question: Buffer.concat([...labels, Buffer.from([0]), typeAndClass]) };
}

/** Addresses and aliases of another server's response; none if it cannot be read. */
export function addressesOf(bytes: Buffer): ZoneRecord[] {
  try {
    return (packet.decode(bytes).answers ?? []).flatMap((record): ZoneRecord[] =>
      record.type === 'A' || record.type === 'AAAA' || record.type === 'CNAME'
        ? [{ type: record.type, name: record.name, ttl: record.ttl ?? 0, class: 'IN', data: record.data }]
        : [],
    );
  } catch {
    return [];
  }
}

/** Only the header can be trusted. */
function errorReply(bytes: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  bytes.copy(reply, 0, 0, 4);
  reply[2] = ((reply[2] ?? 0) & 0x79) | 0x80;
  reply[3] = 0x80 | RCODES[rcode];
  return reply;
}
