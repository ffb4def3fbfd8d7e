/**
 * Bytes to questions and answers to bytes, over `dns-packet`. Loaded when the server starts.
 *
 * - What is no query at all (too short, a response) gets no answer: answering would let others make us shout at third parties.
 * - An answer over UDP is never longer than the client takes; what does not fit is left out and the truncation bit set.
 */
import * as packet from 'dns-packet';
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
  readonly decoded: packet.DecodedPacket;
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
  if (question === undefined) return { kind: 'bad', reply: errorReply(bytes, 'FORMERR') };
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
      decoded,
    },
  };
}

/** @param maxBytes undefined over TCP */
export function encodeAnswer(
  query: Query,
  answer: {
    rcode: Rcode;
    authoritative: boolean;
    answers?: readonly (ZoneRecord | packet.Answer)[];
    authorities?: readonly ZoneRecord[];
    additionals?: readonly ZoneRecord[];
  },
  maxBytes: number | undefined,
): Buffer {
  const encode = (answers: number, withAdditionals: boolean): Buffer => {
    const cut = answers < (answer.answers?.length ?? 0);
    const flags =
      (answer.authoritative ? packet.AUTHORITATIVE_ANSWER : 0) |
      (query.recursionDesired ? packet.RECURSION_DESIRED : 0) |
      packet.RECURSION_AVAILABLE |
      (cut ? packet.TRUNCATED_RESPONSE : 0) |
      RCODES[answer.rcode];
    return packet.encode({
      type: 'response',
      id: query.id,
      flags,
      questions: query.decoded.questions ?? [],
      answers: (answer.answers ?? []).slice(0, answers) as packet.Answer[],
      authorities: (answer.authorities ?? []) as packet.Answer[],
      additionals: [
        ...((withAdditionals ? (answer.additionals ?? []) : []) as packet.Answer[]),
        ...(query.edns === undefined ? [] : [optRecord(query.edns.dnssecOk)]),
      ],
    });
  };
  const all = answer.answers?.length ?? 0;
  let bytes = encode(all, true);
  if (maxBytes === undefined || bytes.length <= maxBytes) return bytes;
  bytes = encode(all, false);
  if (bytes.length <= maxBytes) return bytes;
  // The largest number of answers that fits.
  let [fits, tooMany] = [0, all];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (encode(middle, false).length <= maxBytes) fits = middle;
    else tooMany = middle;
  }
  return encode(fits, false);
}

/** A query of our own to another server. */
export function encodeForward(id: number, query: Query): Buffer {
  return packet.encode({
    type: 'query',
    id,
    flags: packet.RECURSION_DESIRED | (query.checkingDisabled ? packet.CHECKING_DISABLED : 0),
    questions: query.decoded.questions ?? [],
    additionals: query.edns === undefined ? [] : [optRecord(query.edns.dnssecOk)],
  });
}

/** The same query for another name: what an alias leads to. */
export function retarget(query: Query, name: string): Query {
  const questions = (query.decoded.questions ?? []).map(question => ({ ...question, name }));
  return { ...query, name, decoded: { ...query.decoded, questions } };
}

/** Records of a response; none if it cannot be read. */
export function answersOf(bytes: Buffer): packet.Answer[] {
  try {
    return packet.decode(bytes).answers ?? [];
  } catch {
    return [];
  }
}

function optRecord(dnssecOk: boolean): packet.Answer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: OUR_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssecOk ? DO_BIT : 0,
    flag_do: dnssecOk,
    options: [],
  };
  return opt as unknown as packet.Answer;
}

/** Only the header can be trusted. */
function errorReply(bytes: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  bytes.copy(reply, 0, 0, 4);
  reply[2] = ((reply[2] ?? 0) & 0x79) | 0x80;
  reply[3] = 0x80 | RCODES[rcode];
  return reply;
}
